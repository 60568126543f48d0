"""For how long agents were ready or paused, by what looks at their presence saw."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.directory import Directory, Number
from domain.routing.agents import PRESENCE_TIMEOUT, Member
from domain.statistics.hours import AgentHours, place_of_most, seen_hours

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def member(id_: str, state: str, seen_ago: timedelta = MINUTE) -> Member:
    return Member(id_, frozenset(), 3, state=state, seen_at=NOW - seen_ago)  # type: ignore[arg-type]


def seen(*members: Member, elapsed: timedelta = MINUTE) -> list[AgentHours]:
    return [*seen_hours(members, NOW, PRESENCE_TIMEOUT, elapsed)]


def test_who_is_ready_or_paused_was_so_since_the_look_before() -> None:
    found = seen(member("ben", "paused"), member("anna", "ready"), member("carla", "offline"))
    assert [AgentHours("anna", 60, 0), AgentHours("ben", 0, 60)] == found


def test_whose_desktop_says_nothing_any_more_is_neither() -> None:
    assert [] == seen(member("anna", "ready", PRESENCE_TIMEOUT), Member("dora", frozenset(), 3))


@pytest.mark.parametrize(("elapsed", "counts"), [(180, True), (181, False), (0, False), (-5, False)])
def test_time_in_which_nothing_looked_counts_for_nobody(elapsed: int, counts: bool) -> None:
    assert counts == bool(seen(member("anna", "ready"), elapsed=timedelta(seconds=elapsed)))


def test_days_are_those_at_the_place_of_most_numbers() -> None:
    def at(*zones: str) -> Directory:
        return Directory({str(n): Number(str(n), time_zone=zone) for n, zone in enumerate(zones)})

    assert "Europe/Rome" == place_of_most(at("America/Lima", "Europe/Rome", "Europe/Rome"))
    assert "America/Lima" == place_of_most(at("Europe/Rome", "America/Lima"))
    assert "UTC" == place_of_most(Directory())
