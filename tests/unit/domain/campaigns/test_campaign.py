"""The states of a campaign: what may follow on what, whatever is asked in whatever order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaigns.campaign import (
    CAMPAIGN_STATES,
    START_IS_MISSED_AFTER,
    Campaign,
    CampaignState,
    cancel,
    next_wave,
    pause,
    pause_for_defect,
    resume,
    start,
    start_when_due,
)
from domain.commands import Rejection

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
AUTUMN = Campaign(UUID(int=1), "Autumn", "1", "a", {}, False, {}, "paola", NOON, state="ready")


def test_a_campaign_starts_at_once_or_later() -> None:
    now = start(AUTUMN, "paola", None, in_own_time=False, now=NOON, needs_second=False)
    later = start(AUTUMN, "paola", NOON + timedelta(hours=1), in_own_time=False, now=NOON, needs_second=False)
    assert isinstance(now, Campaign)
    assert isinstance(later, Campaign)
    assert ("running", NOON, 1) == (now.state, now.started_at, now.version)
    assert ("scheduled", None) == (later.state, later.started_at)


def test_a_large_one_is_confirmed_by_another_person() -> None:
    """They confirm what was asked for, so the time stays."""
    at = NOON + timedelta(hours=1)
    asked = start(AUTUMN, "paola", at, in_own_time=False, now=NOON, needs_second=True)
    assert isinstance(asked, Campaign)
    assert ("unconfirmed", "paola") == (asked.state, asked.started_by)
    again = start(asked, "paola", at, in_own_time=False, now=NOON, needs_second=True)
    assert Rejection.SECOND_PERSON_NEEDED == again
    confirmed = start(asked, "elena", None, in_own_time=False, now=NOON, needs_second=True)
    assert isinstance(confirmed, Campaign)
    assert ("scheduled", at, "paola") == (confirmed.state, confirmed.start_at, confirmed.started_by)


def test_a_start_that_is_confirmed_too_late_asks_again() -> None:
    """C6: who asked for it did not mean the middle of the night."""
    asked = start(AUTUMN, "paola", NOON, in_own_time=False, now=NOON - timedelta(hours=1), needs_second=True)
    assert isinstance(asked, Campaign)
    for late, state in ((timedelta(minutes=30), "running"), (timedelta(minutes=31), "missed")):
        confirmed = start(asked, "elena", None, in_own_time=False, now=NOON + late, needs_second=True)
        assert isinstance(confirmed, Campaign)
        assert state == confirmed.state
    missed = asked.to("missed")
    again = start(missed, "elena", None, in_own_time=False, now=NOON + timedelta(hours=1), needs_second=True)
    assert isinstance(again, Campaign)
    assert ("unconfirmed", "elena") == (again.state, again.started_by)


@pytest.mark.parametrize(
    ("late", "state"),
    [
        (timedelta(seconds=-1), "scheduled"),
        (timedelta(), "running"),
        (START_IS_MISSED_AFTER, "running"),
        (START_IS_MISSED_AFTER + timedelta(seconds=1), "missed"),
        (timedelta(days=400), "missed"),
    ],
)
def test_a_start_that_is_long_over_asks_a_person(late: timedelta, state: str) -> None:
    """C6. After an outage, a restored backup or a clock that jumped nothing is sent at night by itself."""
    scheduled = replace(AUTUMN, state="scheduled", start_at=NOON)
    assert state == start_when_due(scheduled, NOON + late).state


def test_a_missed_one_starts_when_a_person_says_so() -> None:
    missed = replace(AUTUMN, state="missed", start_at=NOON)
    started = start(missed, "paola", None, in_own_time=False, now=NOON + timedelta(days=1), needs_second=False)
    assert isinstance(started, Campaign)
    assert "running" == started.state


@given(st.sampled_from(CAMPAIGN_STATES))
def test_only_what_runs_is_paused_and_only_what_is_paused_resumes(state: CampaignState) -> None:
    campaign = replace(AUTUMN, state=state)
    paused, resumed = pause(campaign, "paola"), resume(campaign, "paola", NOON)
    assert (state != "running") == (paused == Rejection.CAMPAIGN_STATE)
    assert (state != "paused") == (resumed == Rejection.CAMPAIGN_STATE)


@given(st.sampled_from(CAMPAIGN_STATES))
def test_what_is_over_is_not_cancelled(state: CampaignState) -> None:
    after = cancel(replace(AUTUMN, state=state), "paola", NOON)
    assert (state in ("finished", "cancelled")) == (after == Rejection.CAMPAIGN_STATE)


def test_a_wave_goes_on_with_what_was_finished_and_stays_paused_where_it_is() -> None:
    becomes: dict[CampaignState, CampaignState] = {"finished": "running", "paused": "paused", "running": "running"}
    for state, expected in becomes.items():
        waved = next_wave(replace(AUTUMN, state=state), "paola", ["131049"])
        assert isinstance(waved, Campaign)
        assert (expected, 2) == (waved.state, waved.wave)
    assert Rejection.CAMPAIGN_STATE == next_wave(replace(AUTUMN, state="cancelled"), "paola", None)


def test_in_everybodys_own_time_it_begins_with_the_first_zone() -> None:
    """It runs as soon as the time has come somewhere; the others wait for theirs."""
    zones = {"Asia/Tokyo": 1, "Europe/Rome": 1, "America/New_York": 1}
    campaign = replace(AUTUMN, zones=zones, terms={"zone": "Europe/Rome"})
    at = datetime(2026, 12, 2, 8, tzinfo=UTC)  # 9:00 in Rome, which is 0:00 UTC in Tokyo
    scheduled = start(campaign, "paola", at, in_own_time=True, now=NOON, needs_second=False)
    assert isinstance(scheduled, Campaign)
    assert ("scheduled", datetime(2026, 12, 2, 0, tzinfo=UTC)) == (scheduled.state, scheduled.begins_at)
    assert "running" == start_when_due(scheduled, datetime(2026, 12, 2, 0, 30, tzinfo=UTC)).state
    assert "missed" == start_when_due(scheduled, datetime(2026, 12, 2, 0, 31, tzinfo=UTC)).state
    late = start(campaign, "paola", at, in_own_time=True, now=at - timedelta(hours=1), needs_second=False)
    assert isinstance(late, Campaign)
    assert "running" == late.state


@pytest.mark.parametrize("state", CAMPAIGN_STATES)
def test_a_defect_pauses_what_can_be_paused_and_a_resume_goes_on_there(state: CampaignState) -> None:
    work = {"step": "plan", "row": 5000} if state == "planning" else None
    paused = pause_for_defect(replace(AUTUMN, state=state, work=work), "KeyError")
    if state not in ("importing", "planning", "running"):
        assert state == paused.state
        return
    assert ("paused", "defect", "KeyError") == (paused.state, paused.reason, paused.detail)
    again = resume(paused, "paola", NOON)
    assert isinstance(again, Campaign)
    assert (state, work) == (again.state, again.work)


def test_who_resumes_after_the_first_messages_lets_the_others_follow() -> None:
    """And what lasts, e.g. the number's quality, is accepted as it is."""
    seen = {"seen": [[1, 0, {}]], "told": 2}
    for reason, passed, tolerated in (("canary", True, None), ("number_quality", False, {"number_quality": "red"})):
        running = replace(AUTUMN, state="running", canary_until=NOON, watch=seen)
        again = resume(running.to("paused", reason=reason, detail="red"), "paola", NOON)
        assert isinstance(again, Campaign)
        assert (passed, tolerated, {"told": 2}) == (again.canary_passed, again.tolerated, again.watch)
    by_person = resume(AUTUMN.to("running").to("paused", "paola", "number_quality", "red"), "paola", NOON)
    assert isinstance(by_person, Campaign)
    assert by_person.tolerated is None
