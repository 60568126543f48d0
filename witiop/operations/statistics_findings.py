"""What `witiop doctor` finds about the numbers."""

from collections.abc import Iterator
from typing import Any

from psycopg import Connection

from infra.postgres import directory
from witiop.operations.findings import Finding
from witiop.operations.statistics import check

_REBUILD = "run witiop stats rebuild, while everything runs"


def statistics_findings(database: Connection[Any]) -> Iterator[Finding]:
    """Yields the findings. Raises psycopg errors. O(conversations of three days)."""
    found = check(database, directory.read(database)[1])
    if found.uncounted:
        what = f"{found.uncounted:,} conversations of the last hour are not counted"
        yield Finding("analytics", what, "check that `witiop run analytics` and `witiop run relay` are running")
    if found.wrong:
        what = f"{found.wrong:,} of the latest {found.compared:,} conversations are not counted as the tables have them"
        yield Finding("analytics", what, _REBUILD)
    if found.wrong_cells:
        yield Finding(
            "analytics", f"{found.wrong_cells:,} numbers of the last days are no sums of conversations", _REBUILD
        )
