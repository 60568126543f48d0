"""What `witiop doctor` finds about the words of messages."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from psycopg import Connection

from infra.postgres.words.progress import freshness
from witiop.operations.findings import Finding

_LATE = timedelta(minutes=10)


def word_findings(database: Connection[Any]) -> Iterator[Finding]:
    """Yields the findings. Raises psycopg errors."""
    known = freshness(database)
    if known.searched_until is not None and known.late_by > _LATE.total_seconds():
        what = f"messages after {known.searched_until:%Y-%m-%d %H:%M} UTC are not searched yet"
        yield Finding("words", what, "check that `witiop run analytics` is running")
