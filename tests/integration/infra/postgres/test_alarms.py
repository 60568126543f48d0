"""Alarms in the database: raised once, ended once."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import Connection

from domain.alarms.kinds import AlarmKind
from infra.postgres.alarms.alarms import AlarmToRaise, end_alarm, raise_alarm

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def connection(database: str) -> Connection[tuple[object, ...]]:
    return psycopg.connect(database)


def _alarm(key: str = "shop", minutes: int = 7, at: datetime = AT) -> AlarmToRaise:
    return AlarmToRaise(AlarmKind.LAG, key, {"minutes": minutes}, None, at)


def test_an_alarm_that_is_open_is_not_raised_again(connection: Connection[tuple[object, ...]]) -> None:
    """Neither its time nor what it says changes."""
    assert raise_alarm(connection, _alarm())
    assert not raise_alarm(connection, _alarm(minutes=9, at=AT + timedelta(minutes=1)))
    assert raise_alarm(connection, _alarm("other"))
    rows = connection.execute("select key, details, began_at from alarms order by id").fetchall()
    assert rows == [("shop", {"minutes": 7}, AT), ("other", {"minutes": 7}, AT)]


def test_an_alarm_ends_once_and_may_begin_again(connection: Connection[tuple[object, ...]]) -> None:
    raise_alarm(connection, _alarm())
    assert end_alarm(connection, AlarmKind.LAG, "shop", AT + timedelta(minutes=5))
    assert not end_alarm(connection, AlarmKind.LAG, "shop", AT + timedelta(minutes=6))
    assert raise_alarm(connection, _alarm(at=AT + timedelta(minutes=9)))
    rows = connection.execute("select began_at, ended_at from alarms order by id").fetchall()
    assert rows == [(AT, AT + timedelta(minutes=5)), (AT + timedelta(minutes=9), None)]


def test_an_alarm_is_not_raised_if_the_transaction_of_its_cause_is_rolled_back(
    connection: Connection[tuple[object, ...]],
) -> None:
    raise_alarm(connection, _alarm())
    connection.rollback()
    assert connection.execute("select count(*) from alarms").fetchone() == (0,)
