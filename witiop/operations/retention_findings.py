"""What `witiop doctor` finds about erasures and retention."""

from collections.abc import Iterator
from typing import Any

from psycopg import Connection

from infra.postgres import directory
from infra.postgres.retention.health import retention_health
from witiop.operations.findings import Finding

_RUN = "check that `witiop run retention` is running, and see its log"


def retention_findings(database: Connection[Any]) -> Iterator[Finding]:
    """Yields the findings. Raises psycopg errors."""
    health = retention_health(database)
    if health.waiting:
        yield Finding("retention", f"{health.waiting:,} erasures of people wait for more than ten minutes", _RUN)
    limited = any(number.retention.texts is not None for number in directory.read(database)[1].numbers.values())
    if limited and health.is_walk_late:
        what = "conversations whose time is over have not been looked for within the last day"
        yield Finding("retention", what, _RUN)
