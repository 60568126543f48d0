"""What `witiop doctor` finds about rescue rules."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from psycopg import Connection

from infra.postgres import directory
from infra.postgres.rules import diagnostics, switch
from witiop.operations.findings import Finding

_LATE = timedelta(minutes=5)
_WITHIN = timedelta(days=1)
_LOOK = "see witiop rules acts, or the page Rules"


def rule_findings(database: Connection[Any]) -> Iterator[Finding]:
    """Yields the findings. Raises psycopg errors. O(active conversations on the list)."""
    stop = switch.stopped(database)
    if stop is not None:
        what = f"all rules have been stopped by {stop.by} since {stop.at:%Y-%m-%d %H:%M} UTC"
        yield Finding("rules", what, "let them act again with witiop rules start, once the reason is mended")
    found = diagnostics.failed_acts(database, _WITHIN)
    if found.refused:
        yield Finding("rules", f"{found.refused:,} actions of the last day were refused", _LOOK)
    if found.unknown:
        yield Finding(
            "rules", f"of {found.unknown:,} actions of the last day nobody knows whether they were done", _LOOK
        )
    if stop is None and any(rule.on for rule in directory.read(database)[1].rules):
        late = diagnostics.unseen(database, _LATE)
        if late:
            what = (
                f"{late:,} conversations on the list have waited for rules for more than {_LATE.seconds // 60} minutes"
            )
            yield Finding("rules", what, "check that `witiop run rules` and `witiop run conversations` are running")
