"""The presence of agents, as their desktops report it: by clocks that are right, and by some that run ahead."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import psycopg
import pytest
from psycopg import Connection

from domain.facts import AgentPresenceChanged
from domain.ids import fact_id
from infra.postgres.conversations.statuses import write_presence
from tests.support.stories import at

State = Literal["ready", "paused", "offline"]
_Report = tuple[State, float, float]
"""A state, the hour of the desktop's clock, and the hour of its arrival."""


@pytest.fixture
def connection(database: str) -> Iterator[Connection[tuple[object, ...]]]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


def presence(connection: Connection[tuple[object, ...]], batches: list[list[_Report]]) -> object:
    """Returns the state of an agent after these reports, one batch after the other."""
    connection.execute("delete from agent_presence")
    for batch in batches:
        changes = [
            AgentPresenceChanged(
                id=fact_id(*map(str, report)),
                at=at(min(report[1:])),
                sent_at=at(report[1]),
                agent_id="carl",
                state=report[0],
            )
            for report in batch
        ]
        write_presence(connection, changes, {})
    (state,) = connection.execute("select state from agent_presence").fetchone() or (None,)
    return state


@pytest.mark.parametrize(
    ("reports", "state"),
    [
        ([("ready", 5, 1), ("offline", 2, 2)], "offline"),  # an hour ahead, then right
        ([("ready", 5, 1), ("offline", 0.5, 2)], "offline"),  # also if that is from before the fast one arrived
        ([("ready", 0, 1), ("ready", 5, 1.1), ("offline", 0.5, 2)], "offline"),
        ([("ready", 1, 1), ("offline", 5, 2), ("ready", 1, 3)], "offline"),  # a repeat of what is older stays older
        ([("ready", 5, 1), ("paused", 4, 2), ("offline", 3, 3)], "offline"),
        ([("offline", 2, 3), ("ready", 1, 4)], "offline"),  # by right clocks the later time counts
        ([("ready", 1, 1), ("paused", 9, 2), ("offline", 8, 3)], "offline"),
    ],
)
def test_a_clock_that_runs_ahead_does_not_outlive_the_next_report(
    connection: Connection[tuple[object, ...]], reports: list[_Report], state: State
) -> None:
    assert state == presence(connection, [[report] for report in reports])
    assert state == presence(connection, [reports])


def test_who_is_ready_and_says_so_again_stays_ready_since_the_first_time(
    connection: Connection[tuple[object, ...]],
) -> None:
    presence(connection, [[("ready", 1, 1)], [("ready", 9, 2)], [("ready", 3, 3)]])
    (since,) = connection.execute("select ready_since from agent_presence").fetchone() or (None,)
    assert at(1) + timedelta() == since
