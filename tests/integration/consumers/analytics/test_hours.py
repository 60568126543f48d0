"""The hours of agents: looked at on a real database, by one process at a time."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta

import pytest

from consumers.analytics.hours import AgentHoursLook
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.statistics.agent_hours import lock_last_look
from infra.postgres.statistics.numbers import StatPeriod, numbers_of
from tests.support.office import Office, open_office

ALL = StatPeriod(date(2000, 1, 1), date(2100, 1, 1))


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        yield office


def looks(office: Office, after_seconds: float) -> None:
    """Looks again, so long after the look before."""
    office.connection.execute("update stat_presence_look set at = now() - %s", [timedelta(seconds=after_seconds)])
    AgentHoursLook(office.connection.transaction_of).look()


def hours(office: Office) -> dict[str, tuple[int, int]]:
    return {each.agent_id: (each.ready_s, each.paused_s) for each in numbers_of(office.connection, ALL).agents}


def test_each_look_adds_the_time_since_the_one_before(office: Office) -> None:
    office.presence("anna", "ready")
    office.presence("ben", "paused")
    looks(office, 60)
    looks(office, 61)
    assert {"anna": (121, 0), "ben": (0, 121)} == hours(office)
    office.presence("anna", "offline")
    looks(office, 60)
    assert {"anna": (121, 0), "ben": (0, 181)} == hours(office)


def test_a_look_counts_nothing_for_the_time_in_which_nobody_looked(office: Office) -> None:
    office.presence("anna", "ready")
    AgentHoursLook(office.connection.transaction_of).look()  # the first one of all
    looks(office, 3600)
    assert {} == hours(office)
    looks(office, 60)
    assert {"anna": (60, 0)} == hours(office)


def test_several_processes_count_a_minute_once(office: Office, database: str) -> None:
    office.presence("anna", "ready")
    looks(office, 60)
    AgentHoursLook(office.connection.transaction_of).look()  # too soon: another process has just looked
    with closing(DatabaseSession(database, "other")) as other, other.transaction() as connection:
        assert lock_last_look(connection) is not None
        looks_at = AgentHoursLook(office.connection.transaction_of)
        looks_at.look()  # does not wait
    assert {"anna": (60, 0)} == hours(office)


def test_hours_stand_beside_what_agents_were_offered_whatever_the_number(office: Office) -> None:
    office.presence("anna", "ready")
    looks(office, 60)
    office.connection.execute(
        "insert into stat_agents values (current_date, '1', 'anna', 2, 1, 1, 0), "
        "(current_date, '', 'anna', 2, 1, 1, 0), (current_date, '', 'carla', 1, 0, 0, 1)"
    )
    found = [tuple(each) for each in numbers_of(office.connection, ALL).agents]
    assert [("anna", 2, 1, 1, 0, 60, 0), ("carla", 1, 0, 0, 1, 0, 0)] == found
    one = StatPeriod(ALL.first, ALL.last, number="1")
    assert [("anna", 2, 1, 1, 0, 60, 0)] == [tuple(each) for each in numbers_of(office.connection, one).agents]
