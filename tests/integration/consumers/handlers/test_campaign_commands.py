"""Commands about campaigns on a real database: what they change, and what they are rejected for."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from consumers.handlers.campaigns import CampaignPolicy
from consumers.handlers.commands import Commands
from domain.campaigns.campaign import campaign_id
from domain.mail import MailPolicy
from domain.routing.transfers import RoutingPolicy
from domain.sending.acceptance import SendingPolicy
from domain.sending.sends import Unanswered
from infra.postgres.campaigns import campaigns
from infra.ses.addresses import address
from tests.support.campaign_room import AUTUMN, CampaignRoom, open_campaign_room
from tests.support.office import SECRET
from tests.support.stories import NUMBER

FILE = UUID(int=7)


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        room.connection.execute(
            "insert into campaign_files (id, name, size, sha256, actor, state, headings) "
            "values (%b, 'a.csv', 1, '', 'paola', 'read', %b)",
            [FILE, Jsonb({"columns": ["Phone", "Name"]})],
        )
        yield room


def with_rules(room: CampaignRoom, sending: SendingPolicy, policy: CampaignPolicy | None = None) -> None:
    """Replaces the rules of the installation."""
    room.office.commands = Commands(room.topics, [SECRET], RoutingPolicy(), MailPolicy(address), sending, policy)


def result(room: CampaignRoom, name: str, body: dict[str, Any], issuer: str = "paola") -> dict[str, Any]:
    """Carries out a command and returns its result as it is published."""
    named = f"{name} {datetime.now(UTC)}"
    room.office.results_of(room.office.command(f"campaign.{name}", body, named=named, issuer=issuer))
    (row,) = room.office.rows(f"select value from outbox where topic = '{room.topics.results}'")
    found: dict[str, Any] = json.loads(bytes(row["value"]))
    return found


def creation(**changes: Any) -> dict[str, Any]:
    """Returns the command for a campaign from the file."""
    return {
        "name": "Autumn",
        "phone_number_id": NUMBER,
        "templates": [{"name": "autumn_service", "language": "en"}],
        "file": {"file_id": str(FILE), "mapping": {"phone": 0, "parameters": {"1": 1}}},
        **changes,
    }


def test_a_campaign_is_created_and_its_result_names_it(room: CampaignRoom) -> None:
    """With what is to be read and the templates as they are now."""
    answers = {"target": {"kind": "skillset", "id": "sales"}}
    created = result(room, "create", creation(answers_to=answers))
    assert ("applied", None, 0) == (created["outcome"], created["reason"], created["version"])
    assert str(campaign_id(created["command_id"])) == created["campaign_id"]
    campaign = campaigns.find(room.connection, UUID(created["campaign_id"]))
    assert campaign is not None
    assert ("importing", "paola", "sales") == (campaign.state, campaign.actor, campaign.answers_to["target"]["id"])  # type: ignore[index]
    (planned,) = campaigns.templates_of(room.connection, campaign)
    assert AUTUMN.fingerprint == planned.fingerprint
    assert ["created"] == [entry.event for entry in campaigns.log_of(room.connection, campaign.id)]


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"templates": [{"name": "none", "language": "en"}]}, "template_unknown", "templates: there is no none in en"),
        ({"templates": [{"name": "held", "language": "en"}]}, "template_not_approved", "templates: held is paused"),
        (
            {"file": {"file_id": str(UUID(int=8)), "mapping": {"phone": 0, "parameters": {"1": 1}}}},
            "file_unknown",
            "file.file_id: there is no such file, or it could not be read",
        ),
        (
            {"file": {"file_id": str(FILE), "mapping": {"phone": 0}}},
            "parameters_wrong",
            "parameters: nothing is given for 1",
        ),
        (
            {"file": {"file_id": str(FILE), "mapping": {"phone": 2, "parameters": {"1": 1}}}},
            "malformed",
            "file.mapping.phone: the file has no column 2, its columns are 0 to 1",
        ),
        (
            {"file": {"file_id": str(FILE), "mapping": {"phone": 0, "parameters": {"1": 9}}}},
            "malformed",
            "file.mapping.parameters.1: the file has no column 9, its columns are 0 to 1",
        ),
        (
            {"file": {"file_id": str(FILE), "mapping": {"phone": 0, "zone": 5, "parameters": {"1": 1}}}},
            "malformed",
            "file.mapping.zone: the file has no column 5, its columns are 0 to 1",
        ),
        ({"answers_to": {"target": {"kind": "user", "id": "zoe"}}}, "user_unknown", None),
        ({"answers_to": {"target": {"kind": "skillset", "id": "zoo"}}}, "skillset_unknown", None),
        (
            {"file": None, "customers": {"campaign_id": str(UUID(int=9)), "values": {"1": "{name}"}}},
            "campaign_unknown",
            "customers.campaign_id",
        ),
    ],
)
def test_a_campaign_that_cannot_be_sent_is_not_created(
    room: CampaignRoom, changes: dict[str, Any], reason: str, detail: str | None
) -> None:
    room.store(AUTUMN, AUTUMN._replace(name="held", status="PAUSED"))
    rejected = result(room, "create", creation(**changes))
    assert ("rejected", reason, detail) == (rejected["outcome"], rejected["reason"], rejected.get("detail"))
    assert "campaign_id" not in rejected
    assert [] == room.office.rows("select id from campaigns")


def test_a_number_that_meta_does_not_know_has_no_campaigns(room: CampaignRoom) -> None:
    room.connection.execute("insert into graph_accounts (account_id) values ('1'), ('2')")
    assert "number_unknown" == result(room, "create", creation(phone_number_id="7"))["reason"]


def test_nothing_is_sent_where_sending_is_switched_off(room: CampaignRoom) -> None:
    """Nor is anything begun that would be."""
    autumn = room.planned(1)
    with_rules(room, SendingPolicy())
    assert ("rejected", "sending_disabled") == room.command("start", autumn)
    assert ("rejected", "sending_disabled") == room.command("test", autumn, to=["+16505550100"])
    assert "sending_disabled" == result(room, "create", creation())["reason"]
    assert ("applied", None) == room.command("cancel", autumn)


def test_a_command_that_did_not_see_the_last_change_is_rejected(room: CampaignRoom) -> None:
    autumn = room.planned(1)
    needs: dict[str, dict[str, Any]] = {"resolve": {"as": "assumed_sent"}, "test": {"to": ["+16505550100"]}}
    for name in ("start", "pause", "resume", "cancel", "wave", "resolve", "test", "answers"):
        more = needs.get(name, {})
        stale = {"campaign_id": str(autumn.id), "expected_version": 3, **more}
        found = result(room, name, stale)
        assert ("version_conflict", 0) == (found["reason"], found["version"])
    assert ("applied", None) == room.command("start", autumn, expected_version=0)
    assert ("rejected", "campaign_unknown") == room.command("start", autumn, campaign_id=str(UUID(int=5)))


def test_a_start_in_the_past_is_rejected_and_names_the_time(room: CampaignRoom) -> None:
    autumn = room.planned(1)
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    found = result(room, "start", {"campaign_id": str(autumn.id), "at": at})
    assert ("malformed", "at: is in the past") == (found["reason"], found["detail"])
    assert "ready" == room.campaign(autumn).state


def test_a_large_campaign_needs_a_second_person(room: CampaignRoom) -> None:
    """Who confirms the time that the first one chose."""
    with_rules(room, SendingPolicy(enabled=True), CampaignPolicy(second_person_from=3))
    small, large = room.planned(2, "small"), room.planned(3, "large")
    assert ("applied", None) == room.command("start", small)
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    assert ("applied", None) == room.command("start", large, at=at.isoformat())
    assert ("running", "unconfirmed") == (room.campaign(small).state, room.campaign(large).state)
    assert ("rejected", "second_person_needed") == room.command("start", large)
    assert ("applied", None) == room.command("start", large, issuer="carla")
    confirmed = room.campaign(large)
    assert ("scheduled", at, "paola") == (confirmed.state, confirmed.start_at, confirmed.started_by)


def test_a_test_is_the_very_message_of_a_row_and_counts_nowhere(room: CampaignRoom) -> None:
    """To people of the company, before the campaign is started."""
    autumn = room.planned(2)
    assert ("applied", None) == room.command("test", autumn, to=["+1 650 555 0100", "+16505550101"])
    room.run()
    assert ["+16505550100", "+16505550101"] == sorted(room.reached())
    tested = room.graph.posts[0]["template"]
    assert {"planned": 2} == room.counts(autumn)
    assert 2 == len(room.office.rows(f"select send_id from campaign_tests where campaign_id = '{autumn.id}'"))
    (actor,) = room.office.rows("select distinct actor, lane from sends")
    assert {"actor": "paola", "lane": 1} == actor
    room.command("start", autumn)
    room.run()
    assert tested == room.graph.posts[-1]["template"]


def test_tests_that_may_not_be_sent_are_refused(room: CampaignRoom) -> None:
    """All of a command or none."""
    autumn = room.planned(1)
    with_rules(room, SendingPolicy(enabled=True, allowed_to=frozenset({"16505550100"})))
    assert ("rejected", "recipient_not_allowed") == room.command("test", autumn, to=["+16505550100", "+16505550101"])
    assert ("rejected", "malformed") == room.command("test", autumn, to=["hello"])
    assert ("rejected", "parameters_wrong") == room.command("test", autumn, to=["+16505550100"], row_no=99)
    room.store(AUTUMN._replace(components=[{"type": "BODY", "text": "Hello {{1}}"}]))
    assert ("rejected", "template_not_approved") == room.command("test", autumn, to=["+16505550100"])
    assert ("rejected", "campaign_state") == room.command(
        "test", room.planned(1, "new", state="importing"), to=["+16505550100"]
    )
    room.run()
    assert [] == room.reached()


def test_unknown_recipients_count_as_sent_or_get_it_again(room: CampaignRoom) -> None:
    """One of them, or all; a finished campaign goes on for those who get it again."""
    autumn = room.planned(3)
    room.graph.answers += [Unanswered("no answer")] * 3
    room.command("start", autumn)
    room.run()
    assert {"unknown": 3} == room.counts(autumn)
    as_sent: dict[str, Any] = {"as": "assumed_sent"}
    rows = [row["row_no"] for row in room.office.rows("select row_no from recipients order by row_no")]
    assert ("applied", None) == room.command("resolve", autumn, row_no=rows[0], **as_sent)
    assert ("rejected", "nothing_to_resolve") == room.command("resolve", autumn, row_no=2, **as_sent)
    room.connection.execute("update campaigns set state = 'finished'")
    assert ("applied", None) == room.command("resolve", autumn, **{"as": "send_again"})
    assert ({"assumed_sent": 1, "claimed": 2}, "running") == (room.counts(autumn), room.campaign(autumn).state)
    room.run()
    assert {"assumed_sent": 1, "accepted": 2} == room.counts(autumn)
    assert 5 == len(room.reached())
    logged = [
        (e.actor, e.reason, e.detail) for e in campaigns.log_of(room.connection, autumn.id) if e.event == "resolved"
    ]
    assert [("paola", "send_again", "2"), ("paola", "assumed_sent", "1")] == logged


def test_one_message_that_is_sent_again_opens_its_campaign_too(room: CampaignRoom) -> None:
    """Otherwise it would wait for ever, as in one that was cancelled."""
    room.graph.answers += [Unanswered("no answer")]
    autumn = room.planned(1)
    room.command("start", autumn)
    room.run()
    (send,) = room.office.rows("select id from sends")
    again = {"send_id": str(send["id"]), "as": "send_again"}
    room.connection.execute("update campaigns set state = 'cancelled'")
    cancelled = room.office.results_of(room.office.command("resolve", again, named="while it is cancelled"))
    assert ([("rejected", "campaign_state")], {"unknown": 1}) == (cancelled, room.counts(autumn))
    room.connection.execute("update campaigns set state = 'finished'")
    finished = room.office.results_of(room.office.command("resolve", again, named="while it is finished"))
    assert ([("applied", None)], "running") == (finished, room.campaign(autumn).state)
    room.run()
    assert ({"accepted": 1}, "finishing") == (room.counts(autumn), room.campaign(autumn).state)


def test_who_gets_the_answers_can_be_changed(room: CampaignRoom) -> None:
    autumn = room.planned(1)
    answers = {"target": {"kind": "user", "id": "anna"}, "mode": "exclusive", "holds_hours": 48}
    assert ("applied", None) == room.command("answers", autumn, answers_to=answers)
    changed = room.campaign(autumn)
    assert (answers, 1) == (changed.answers_to, changed.version)
    assert ("rejected", "user_unknown") == room.command(
        "answers", autumn, answers_to={"target": {"kind": "user", "id": "zoe"}}
    )
    assert ("applied", None) == room.command("answers", autumn)
    assert room.campaign(autumn).answers_to is None


def test_a_wave_needs_somebody_to_try_again(room: CampaignRoom) -> None:
    autumn = room.planned(1)
    room.command("start", autumn)
    assert ("rejected", "nothing_to_retry") == room.command("wave", autumn)
