"""A running campaign on a real database: its first messages, why it is paused by itself, quiet hours, its start and its
end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.campaigns.campaign import Campaign
from domain.sending.sends import NotSent, PostAccepted, Refused, Unanswered
from domain.sending.templates import Template
from tests.support.campaign_room import AUTUMN, CampaignRoom, open_campaign_room


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


def started(room: CampaignRoom, people: int = 3, **changes: Any) -> Campaign:
    autumn = room.planned(people, **changes)
    assert ("applied", None) == room.command("start", autumn)
    return autumn


def why_paused(room: CampaignRoom, campaign: Campaign) -> tuple[str, str | None, str | None]:
    found = room.campaign(campaign)
    return found.state, found.reason, found.detail


def refused(code: int) -> Refused:
    return Refused(code, f"Meta's error {code}")


# the first messages


def test_the_others_follow_a_quarter_of_an_hour_after_the_first_if_these_went_well(room: CampaignRoom) -> None:
    autumn = started(room, 8, terms={"canary": 3})
    room.run()
    assert {"accepted": 3, "planned": 5} == room.counts(autumn)
    room.clock_goes(14, autumn)
    room.run()
    assert 3 == len(room.reached())
    room.clock_goes(1, autumn)
    room.run()
    assert {"accepted": 8} == room.counts(autumn)
    assert ["running", "canary", "canary_passed", "finishing"] == room.log(autumn)


def test_a_large_campaign_has_first_messages_also_without_terms(room: CampaignRoom) -> None:
    autumn = started(room, 1000)
    room.run()
    assert {"accepted": 200, "planned": 800} == room.counts(autumn)


@pytest.mark.parametrize(
    ("outcomes", "detail"),
    [
        ([refused(131053)] * 2, "2 of the first 10 messages failed"),
        ([refused(131026)], "1 of the first 10 people cannot be reached or want no messages"),
        ([Unanswered("no answer")], "of 1 of the first 10 messages nobody knows whether they were sent"),
    ],
)
def test_if_the_first_messages_went_badly_a_person_decides(
    room: CampaignRoom, outcomes: list[Refused | Unanswered], detail: str
) -> None:
    room.graph.answers += outcomes
    autumn = started(room, 12, terms={"canary": 10})
    room.run()
    room.clock_goes(15, autumn)
    room.run()
    assert ("paused", "canary", detail) == why_paused(room, autumn)
    assert 10 == len(room.reached())
    assert ("applied", None) == room.command("resume", autumn)
    room.run()
    assert 12 == len(room.reached())


def test_while_the_first_messages_are_judged_none_of_them_is_tried_again(room: CampaignRoom) -> None:
    """A wave would take their failures out of what is judged. Once they were judged, it waits for the resume."""
    room.graph.answers += [refused(132015)] * 5
    autumn = started(room, 12, terms={"canary": 10})
    room.run()
    assert ("rejected", "campaign_state") == room.command("wave", autumn)
    room.clock_goes(15, autumn)
    room.run()
    assert ("paused", "canary") == why_paused(room, autumn)[:2]
    assert ("applied", None) == room.command("wave", autumn)
    room.run()
    assert ("paused", "canary", 10) == (*why_paused(room, autumn)[:2], len(room.reached()))
    assert ("applied", None) == room.command("resume", autumn)
    room.run()
    assert {"accepted": 12} == room.counts(autumn)
    assert ["running", "canary", "paused canary", "wave", "running", "finishing"] == room.log(autumn)


def test_a_wave_lets_nobody_follow_before_the_first_messages_were_judged(room: CampaignRoom) -> None:
    """Those that failed before all of the first were posted are among them again."""
    autumn = started(room, 12, terms={"canary": 10})
    room.worker.poll()
    room.change_send(room.office.rows("select id from sends order by id")[0]["id"], "failed")
    assert ("applied", None) == room.command("wave", autumn)
    room.run()
    assert 10 == len(set(room.reached()))


# pausing by itself


def test_a_campaign_is_paused_when_a_tenth_of_its_last_messages_fails_for_one_reason(room: CampaignRoom) -> None:
    """Also by statuses, which come later; after it was resumed, only those that fail from then on count."""
    autumn = started(room, 900, terms={"canary": 0})
    room.graph.answers += [PostAccepted(f"wamid.{n}") for n in range(250)]
    room.graph.answers += [refused(131026) if n % 2 else refused(131049) for n in range(70)]
    room.run()
    state, reason, detail = why_paused(room, autumn)
    assert ("paused", "failures") == (state, reason)
    assert detail is not None
    assert "messages failed with 1310" in detail
    assert len(room.reached()) < 400
    room.command("resume", autumn)
    room.office.may_send(700)
    room.run()
    assert ("finishing", 900) == (room.campaign(autumn).state, len(room.reached()))


def test_a_campaign_is_paused_when_too_much_of_it_is_unknown(room: CampaignRoom) -> None:
    autumn = started(room, 600, terms={"canary": 0})
    room.graph.answers += [PostAccepted(f"wamid.{n}") for n in range(150)] + [Unanswered("no answer")] * 4
    room.run()
    assert ("paused", "unknowns") == why_paused(room, autumn)[:2]


@pytest.mark.parametrize(
    ("now", "reason", "detail"),
    [
        (AUTUMN._replace(status="PAUSED"), "template_changed", "autumn_service (en): paused"),
        (
            AUTUMN._replace(category="UTILITY"),
            "template_changed",
            "autumn_service (en): category marketing became utility",
        ),
        (
            AUTUMN._replace(components=[{"type": "BODY", "text": "Hello {{1}}"}]),
            "template_changed",
            "autumn_service (en): its text was edited",
        ),
        (AUTUMN._replace(quality="RED"), "template_quality", "autumn_service (en): red"),
    ],
)
def test_a_template_that_changes_in_the_middle_pauses_the_campaign(
    room: CampaignRoom, now: Any, reason: str, detail: str
) -> None:
    """C4: what was handed to the sender already is not posted, and goes back."""
    autumn = started(room, 5)
    room.worker.poll()
    assert {"claimed": 5} == room.counts(autumn)
    room.store(now)
    room.worker.poll()
    room.run()
    assert ("paused", reason, detail) == why_paused(room, autumn)
    assert ([], {"planned": 5}) == (room.reached(), room.counts(autumn))
    assert "paused" in room.events()


@pytest.mark.parametrize(
    "now", [AUTUMN._replace(status="PAUSED"), AUTUMN._replace(components=[{"type": "BODY", "text": "Hello {{1}}"}])]
)
def test_a_template_that_changed_is_not_posted_before_its_campaign_is_paused(room: CampaignRoom, now: Template) -> None:
    """C4: the claim looks itself, also while the process that pauses campaigns is down."""
    autumn = started(room, 3)
    room.worker.poll()
    room.store(now)
    room.sender.poll()
    assert ([], {"claimed": 3}) == (room.reached(), room.counts(autumn))
    room.store(AUTUMN)
    room.run()
    assert {"accepted": 3} == room.counts(autumn)


def test_who_resumes_a_campaign_accepts_the_quality_that_it_was_paused_for(room: CampaignRoom) -> None:
    """But nobody can accept a template that is not the one that was shown."""
    autumn = started(room, 5)
    room.store(AUTUMN._replace(quality="RED"))
    room.run()
    room.command("resume", autumn)
    room.worker.poll()
    assert "running" == room.campaign(autumn).state
    room.store(AUTUMN._replace(quality="RED", status="DISABLED"))
    room.run()
    room.command("resume", autumn)
    room.run()
    assert ("paused", "template_changed") == why_paused(room, autumn)[:2]
    assert [] == room.reached()


def test_a_number_of_bad_quality_pauses_its_campaigns(room: CampaignRoom) -> None:
    autumn = started(room, 5)
    room.connection.execute("update graph_numbers set quality = 'RED'")
    room.run()
    assert ("paused", "number_quality", "red") == why_paused(room, autumn)


def test_a_number_that_meta_stopped_pauses_its_campaigns(room: CampaignRoom) -> None:
    """Spam, an unpaid bill, a token that is not valid any more: a person has to mend it."""
    autumn = started(room, 5)
    room.worker.poll()
    room.graph.answers += [NotSent("Meta's error 131048", "templates", timedelta(minutes=30), 131048, True)] * 5
    room.run()
    room.run()
    assert ("paused", "number_paused", "Meta's error 131048") == why_paused(room, autumn)
    assert {"planned": 5} == room.counts(autumn)


def test_a_number_that_meta_lists_no_more_pauses_its_campaigns_once_it_is_stopped(room: CampaignRoom) -> None:
    """It was removed from the account: they do not wait without a word."""
    autumn = started(room, 5)
    room.connection.execute("delete from graph_numbers")
    room.worker.poll()
    room.graph.answers += [NotSent("Meta's error 133010", "number", timedelta(minutes=30), 133010, True)] * 5
    room.run()
    room.run()
    assert ("paused", "number_paused", "Meta's error 133010") == why_paused(room, autumn)


# quiet hours


def test_who_was_not_reached_before_quiet_hours_gets_it_when_they_end(room: CampaignRoom) -> None:
    """The message that was handed over already waits for its end too."""
    zone, now = ZoneInfo("UTC"), datetime.now(UTC)
    begins, ends = now + timedelta(hours=1), now + timedelta(hours=3)
    quiet = {"start": f"{begins:%H:%M:%S}", "end": f"{ends:%H:%M:%S}"}
    autumn = started(room, 2, terms={"quiet": quiet})
    room.worker.poll()
    assert {"claimed": 2} == room.counts(autumn)
    quiet = {"start": f"{now - timedelta(hours=1):%H:%M:%S}", "end": quiet["end"]}
    room.connection.execute(
        "update campaigns set terms = jsonb_set(terms, '{quiet,start}', to_jsonb(%s::text))", [quiet["start"]]
    )
    room.connection.execute("update sends set expires_at = now()")
    room.run()
    assert ([], {"deferred quiet_hours": 2}) == (room.reached(), room.counts(autumn))
    due = room.office.rows("select distinct due_at from recipients")[0]["due_at"]
    assert ends.replace(microsecond=0) == due.astimezone(zone)
    room.connection.execute("update campaigns set terms = '{}'")
    room.run()
    assert [] == room.reached()
    room.connection.execute("update recipients set due_at = now()")
    room.run()
    assert 2 == len(room.reached())


# at the claim


def test_who_wrote_or_was_reached_meanwhile_is_skipped_at_the_claim(room: CampaignRoom) -> None:
    """Planned long ago: by another campaign within the cap, or in a conversation since then."""
    other = started(room, 1, name="Other")
    room.run()
    autumn = started(room, 3, terms={"cap_days": 7})
    room.office.customer_writes(phone="16505550003", hours_ago=0.1)
    room.run()
    assert {"skipped recently_reached": 1, "skipped active_conversation": 1, "accepted": 1} == room.counts(autumn)
    assert {"accepted": 1} == room.counts(other)


# the start and the end


def test_a_start_that_was_due_long_ago_asks_a_person(room: CampaignRoom) -> None:
    """C6: by the database's clock, also if it jumps, forwards or back."""
    autumn = room.planned(2)
    at = datetime.now(UTC) + timedelta(hours=1)
    room.command("start", autumn, at=at.isoformat())
    room.run()
    assert "scheduled" == room.campaign(autumn).state
    room.clock_goes(-24 * 60, autumn)
    room.run()
    assert "scheduled" == room.campaign(autumn).state
    room.clock_goes(24 * 60 + 60 + 31, autumn)
    room.run()
    assert ("missed", []) == (room.campaign(autumn).state, room.reached())
    assert ["missed"] == room.events()
    assert ("applied", None) == room.command("start", autumn)
    room.run()
    assert 2 == len(room.reached())


def test_a_start_in_everybodys_own_time_begins_with_the_easternmost(room: CampaignRoom) -> None:
    autumn = room.planned(2, zones={"UTC": 1, "Asia/Tokyo": 1}, terms={"zone": "UTC"})
    room.connection.execute("update recipients set zone = 'Asia/Tokyo' where row_no = 2")
    at = datetime.now(UTC) + timedelta(hours=9, minutes=5)
    room.command("start", autumn, at=at.isoformat(), in_own_time=True)
    room.run()
    assert "scheduled" == room.campaign(autumn).state
    room.clock_goes(6, autumn)
    room.run()
    assert ("running", ["+16505550002"]) == (room.campaign(autumn).state, room.reached())


def test_a_campaign_finishes_when_no_status_is_to_come(room: CampaignRoom) -> None:
    """As long as Meta tries to deliver it, and at most three days after the last post."""
    autumn = started(room, 2)
    room.run()
    assert ("finishing", {"accepted": 2}) == (room.campaign(autumn).state, room.counts(autumn))
    room.clock_goes(71 * 60, autumn)
    room.run()
    assert "finishing" == room.campaign(autumn).state
    room.clock_goes(61, autumn)
    room.run()
    assert "finished" == room.campaign(autumn).state
    assert "finished" == room.events()[-1]


def test_a_campaign_whose_messages_all_failed_is_finished_at_once(room: CampaignRoom) -> None:
    room.graph.answers += [refused(131026)] * 2
    autumn = started(room, 2)
    room.run()
    assert ("finished", {"failed 131026": 2}) == (room.campaign(autumn).state, room.counts(autumn))


def test_a_message_that_is_to_be_posted_again_takes_an_ending_campaign_back(room: CampaignRoom) -> None:
    room.graph.answers += [Unanswered("no answer")]
    autumn = started(room, 2)
    room.run()
    assert "finishing" == room.campaign(autumn).state
    send = room.office.rows("select id from sends where state = 'unknown'")[0]["id"]
    room.change_send(send, "queued")
    room.run()
    assert ("finishing", {"accepted": 2}) == (room.campaign(autumn).state, room.counts(autumn))


def test_events_tell_of_each_thousand_recipients(room: CampaignRoom) -> None:
    autumn = started(room, 2300, terms={"canary": 0})
    for _ in range(8):
        room.office.may_send(700)
        room.run()
    assert "finishing" == room.campaign(autumn).state
    assert 2 == room.events().count("progress")


def test_cancelling_takes_back_what_waits_and_cancels_the_rest(room: CampaignRoom) -> None:
    autumn = started(room, 5)
    room.worker.poll()
    assert ("applied", None) == room.command("cancel", autumn)
    room.run()
    assert ("cancelled", None) == (room.campaign(autumn).state, room.campaign(autumn).work)
    assert ([], {"cancelled": 5}) == (room.reached(), room.counts(autumn))


def test_what_meta_charges_is_counted_once_per_message(room: CampaignRoom) -> None:
    """By country and category, whether it is free or not, however often its statuses come."""
    autumn = started(room, 2)
    room.run()
    for status in ("sent", "delivered", "delivered"):
        room.status(2, status, {"billable": True, "category": "marketing", "type": "regular"})
    room.status(3, "sent", {"billable": False, "category": "utility", "type": "free_customer_service"})
    rows = room.office.rows("select country, category, billable, n from campaign_charges order by category")
    assert [("US", "marketing", True, 1), ("US", "utility", False, 1)] == [tuple(row.values()) for row in rows]
    assert {"delivered": 1, "sent": 1} == room.counts(autumn)
