"""Giving a conversation back, handing it over, parking it and taking it over, on a real database (domain.md,
*Releasing*)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.conversations.reasons import Reason
from domain.directory import User
from domain.facts import AgentAccepted, AgentMessage
from infra.postgres.lists.conversation_page import conversation_page
from infra.postgres.lists.desk import DeskFilter, desk_page
from infra.postgres.lists.health import miscounts
from infra.postgres.lists.unmanaged import UnmanagedFilter, page
from tests.support.office import COMPANY, USERS, Office, open_office

ANNA = ("u", "anna", "x", False, None)
NO_REPLY = (None, None, None, True, Reason.NO_REPLY.code)
BOSS = User("boss", "Boss", "boss@example.com", "tenant_administrator", 1)


@pytest.fixture
def office(database: str) -> Iterator[Office]:
    with open_office(database) as office:
        office.apply_directory(replace(COMPANY, users={**USERS, "boss": BOSS}))
        yield office
        assert [] == miscounts(office.connection)


@pytest.fixture
def conversation(office: Office) -> UUID:
    """Anna has it and has written to the customer."""
    conversation = office.customer_writes()
    office.desktop_reports(AgentAccepted, "anna", conversation, minutes_ago=30)
    office.desktop_reports(AgentMessage, "anna", conversation, minutes_ago=29)
    assert ANNA == office.owner()
    return conversation


def release(
    office: Office,
    conversation: UUID,
    to: tuple[str, str] | None = None,
    issuer: str = "anna",
    park: timedelta | None = None,
    **more: Any,
) -> tuple[str, str | None]:
    data: dict[str, Any] = {"conversation_id": str(conversation), **more}
    if to is not None:
        data["target"] = {"kind": to[0], "id": to[1]}
    if park is not None:
        data["park_until"] = (datetime.now(UTC) + park).isoformat()
    (result,) = office.results_of(office.command("release", data, issuer=issuer))
    return result


def events(office: Office) -> list[dict[str, Any]]:
    rows = office.rows(f"select value from outbox where topic = '{office.topics.conversations}' order by id")
    return [json.loads(bytes(row["value"])) for row in rows]


def managed(office: Office) -> bool:
    ((found,),) = (tuple(row.values()) for row in office.rows("select managed from conversations"))
    return bool(found)


# giving back


def test_who_gives_an_answered_conversation_back_leaves_it_on_the_list_with_a_note(
    office: Office, conversation: UUID
) -> None:
    """The list, the history and the public events say who gave it back, and the note."""
    assert ("applied", None) == release(office, conversation, note="she asks about March")
    assert NO_REPLY == office.owner()
    released = {"by": "anna", "note": "she asks about March"}
    assert [("anna", "she asks about March"), ("anna", None)] == [(e["actor"], e.get("note")) for e in events(office)]
    assert [released, released] == [{k: e["released"][k] for k in released} for e in events(office)]
    assert [("released", "anna", None), ("became_unmanaged", "anna", None)] == office.history(conversation)[-2:]
    (row,) = page(office.connection, UnmanagedFilter()).rows
    assert row.released is not None
    assert ("anna", "she asks about March") == (row.released.by, row.released.note)
    shown = conversation_page(office.connection, conversation)
    assert shown is not None
    assert ["she asks about March", None] == [entry.note for entry in shown.history[-2:]]
    assert [("applied", None)] == office.results_of(
        office.transfer(conversation, "user", "ben", "immediate", issuer="ben")
    )
    assert ("u", "ben", "x", False, None) == office.owner()


def test_who_gives_back_what_was_never_answered_frees_their_place_too(office: Office) -> None:
    conversation = office.customer_writes()
    take = office.transfer(conversation, "user", "ben", "immediate", issuer="ben")
    back = office.command("release", {"conversation_id": str(conversation)}, issuer="ben")
    again = office.transfer(conversation, "user", "ben", "immediate", issuer="ben")
    assert 3 * [("applied", None)] == office.results_of(take, back, again)


def test_a_later_word_makes_it_managed_again_and_an_earlier_one_does_not(office: Office, conversation: UUID) -> None:
    release(office, conversation)
    office.desktop_reports(AgentMessage, "anna", conversation, minutes_ago=5)
    assert NO_REPLY == office.owner()
    office.desktop_reports(AgentMessage, "ben", conversation)
    assert ("u", "ben", "x", False, None) == office.owner()
    assert managed(office)


# handing over


def test_who_hands_over_reserves_it_for_a_colleague_and_the_touch_stays(office: Office, conversation: UUID) -> None:
    """It waits for the colleague as any reservation does; when they accept and write it is managed again."""
    office.presence("ben", "ready")
    assert ("applied", None) == release(office, conversation, ("user", "ben"), note="invoices are yours")
    assert ("u", "ben", "r", False, None) == office.owner()
    assert not managed(office)
    (event,) = events(office)
    assert ("anna", "invoices are yours", "reserved") == (event["actor"], event["note"], event["owner"]["state"])
    (row,) = desk_page(office.connection, DeskFilter("waiting"), 10).rows
    assert row.released is not None
    assert ("anna", "invoices are yours") == (row.released.by, row.released.note)
    assert 1 == office.routing.poll()
    assert ("u", "ben", "a", False, None) == office.owner()
    office.desktop_reports(AgentAccepted, "ben", conversation)
    assert ("u", "ben", "x", False, None) == office.owner()
    assert not managed(office)
    office.desktop_reports(AgentMessage, "ben", conversation)
    assert managed(office)
    assert [] == office.rows("select 1 from conversations where released_by is not null")


def test_a_skillset_that_gets_it_offers_it_to_others_than_who_gave_it(office: Office, conversation: UUID) -> None:
    office.presence("anna", "ready")
    assert ("rejected", "no_agent_ready") == release(office, conversation, ("skillset", "sales"), mode="immediate")
    assert ("applied", None) == release(office, conversation, ("skillset", "sales"))
    assert 0 == office.routing.poll()
    office.presence("ben", "ready")
    assert 1 == office.routing.poll()
    assert ("u", "ben", "a", False, None) == office.owner()


def test_an_immediate_handover_needs_somebody_who_is_ready(office: Office, conversation: UUID) -> None:
    assert ("rejected", "user_not_ready") == release(office, conversation, ("user", "ben"), mode="immediate")
    assert ANNA == office.owner()
    office.presence("ben", "ready")
    assert ("applied", None) == release(office, conversation, ("user", "ben"), mode="immediate")
    assert ("u", "ben", "a", False, None) == office.owner()


def test_what_was_written_before_the_handover_does_not_undo_it(office: Office, conversation: UUID) -> None:
    """A farewell that Meta accepts only after the conversation was handed over."""
    farewell = {"conversation_id": str(conversation), "message": {"text": "Ben helps you"}, "hold_seconds": 5}
    assert [("applied", None)] == office.results_of(office.command("send", farewell, issuer="anna"))
    assert ("applied", None) == release(office, conversation, ("user", "ben"))
    (send,) = office.rows("select requested_at from sends")
    later = {"written_at": send["requested_at"], "minutes_ago": -0.1}
    office.desktop_reports(AgentMessage, "anna", conversation, **later)
    office.customer_writes(hours_ago=0)
    assert ("u", "ben", "r", False, None) == office.owner()
    assert not managed(office)


# parking


def test_a_parked_conversation_returns_to_its_agent_at_its_time(office: Office, conversation: UUID) -> None:
    office.presence("anna", "ready")
    assert ("applied", None) == release(office, conversation, park=timedelta(hours=2), note="call the workshop")
    assert ("u", "anna", "r", False, None) == office.owner()
    assert 0 == office.routing.poll()
    office.connection.execute(
        "update conversations set parked_until = now(), memory = replace(memory::text, "
        "to_char(parked_until at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), "
        "to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))::json"
    )
    assert 1 == office.routing.poll()
    assert ("u", "anna", "a", False, None) == office.owner()
    assert [None] == [row["parked_until"] for row in office.rows("select parked_until from conversations")]


def test_a_customer_who_writes_ends_the_parking(office: Office, conversation: UUID) -> None:
    office.presence("anna", "ready")
    release(office, conversation, park=timedelta(hours=2))
    office.customer_writes("are you there?", hours_ago=-0.001)
    assert 1 == office.routing.poll()
    assert ("u", "anna", "a", False, None) == office.owner()


def test_a_conversation_is_parked_for_a_skillset_and_no_longer_than_its_window(
    office: Office, conversation: UUID
) -> None:
    for hours in (22.95, 24, 100):
        assert ("rejected", "window_closing") == release(office, conversation, park=timedelta(hours=hours))
    assert ("rejected", "malformed") == release(office, conversation, park=-timedelta(minutes=1))
    assert ("rejected", "malformed") == release(
        office, conversation, ("skillset", "support"), park=timedelta(hours=1), mode="immediate"
    )
    assert ("applied", None) == release(office, conversation, ("skillset", "support"), park=timedelta(hours=22.9))
    assert ("s", "support", "r", False, None) == office.owner()
    (row,) = desk_page(office.connection, DeskFilter("waiting"), 10).rows
    assert row.parked_until is not None
    assert row.owner is not None and row.owner.until is not None
    assert row.parked_until < row.owner.until <= row.window_ends_at - timedelta(minutes=5)


# who may


def test_an_administrator_takes_over_what_an_agent_has(office: Office, conversation: UUID) -> None:
    """It stays managed, the agent's place is free, and the administrator's is taken."""
    assert ("applied", None) == release(office, conversation, ("user", "boss"), issuer="boss", mode="immediate")
    assert ("u", "boss", "x", False, None) == office.owner()
    assert managed(office)
    assert [("managed", "boss", "boss")] == office.history(conversation)[-1:]
    other = office.customer_writes(phone="390")
    assert ("rejected", "user_at_capacity") == release(office, other, ("user", "boss"), issuer="boss", mode="immediate")
    office.customer_writes("thanks", hours_ago=-0.001)
    assert "boss" == office.rows(f"select owner_id from conversations where id = '{conversation}'")[0]["owner_id"]


def test_only_the_owner_or_an_administrator_releases(office: Office, conversation: UUID) -> None:
    for issuer in ("ben", "somebody"):
        assert ("rejected", "not_yours") == release(office, conversation, issuer=issuer)
    assert ANNA == office.owner()
    assert ("applied", None) == release(office, conversation, issuer="boss")
    assert NO_REPLY == office.owner()


def test_rejections_come_in_the_documented_order(office: Office, conversation: UUID) -> None:
    unknown = UUID(int=1)
    assert ("rejected", "conversation_unknown") == release(office, unknown)
    assert ("rejected", "version_conflict") == release(office, conversation, issuer="ben", expected_version=99)
    assert ("rejected", "not_yours") == release(office, conversation, ("user", "nobody"), issuer="ben")
    assert ("rejected", "already_assigned") == release(office, conversation, ("user", "anna"), mode="immediate")
    assert ("rejected", "user_unknown") == release(office, conversation, ("user", "nobody"))
    assert ("rejected", "skillset_unknown") == release(office, conversation, ("skillset", "nothing"))
    assert ("rejected", "malformed") == release(office, conversation, mode="exclusive")
    assert ("applied", None) == release(office, conversation, issuer="boss")
    assert ("rejected", "nothing_to_recall") == release(office, conversation, issuer="boss")
    office.connection.execute("update conversations set window_ends_at = now()")
    assert ("rejected", "conversation_closed") == release(office, conversation)
