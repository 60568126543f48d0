"""What the outcomes of posts mean for the numbers that they were sent from. Locks lanes, in the order of the numbers'
ids, before the sends are locked (architecture.md, P5)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from domain.sending.sends import NotSent, PostAccepted, PostOutcome
from infra.postgres.sending import claims


def change_lanes(
    connection: Connection[Any],
    outcomes: Iterable[tuple[str, PostOutcome]],
    now: datetime,
    unreachable_seconds: Callable[[], float],
) -> None:
    """Slows down, pauses or resumes the numbers that outcomes are about. `unreachable_seconds`: how long to wait after
    a post that did not reach Meta."""
    by_number: dict[str, list[PostOutcome]] = {}
    for number, outcome in outcomes:
        by_number.setdefault(number, []).append(outcome)
    for number, ended in sorted(by_number.items()):
        waits = [o for o in ended if isinstance(o, NotSent) and o.scope in ("number", "templates")]
        if waits:
            _hold_back(connection, number, waits, now, unreachable_seconds)
        elif any(isinstance(outcome, PostAccepted) for outcome in ended):
            claims.resume(connection, number)


def _hold_back(
    connection: Connection[Any],
    number: str,
    waits: Sequence[NotSent],
    now: datetime,
    unreachable_seconds: Callable[[], float],
) -> None:
    lane = claims.wait_for_lane(connection, number)
    if any(o.scope == "number" and not o.needs_person and o.code is not None for o in waits):
        claims.keep_bucket(connection, number, lane.bucket.refilled(now).slowed())
    refused = [outcome for outcome in waits if outcome.code is not None]
    unreached = [outcome for outcome in waits if outcome.code is None]
    if unreached and not lane.is_paused:  # posts that failed together are one failure
        refused.append(replace(unreached[0], wait=timedelta(seconds=unreachable_seconds())))
    for outcome in refused:
        claims.pause(
            connection,
            number,
            now + outcome.wait,
            outcome.reason,
            templates=outcome.scope == "templates",
            needs_person=outcome.needs_person,
        )
