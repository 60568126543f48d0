"""The page of one conversation, read back from what the consumers write."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from domain.contract.page import history_document
from domain.conversations.conversation import Conversation, Decisions, Evidence, FactRef, Owner
from domain.conversations.events import PublicEvent
from domain.conversations.fold import FactPlacement
from domain.conversations.reasons import Reason
from domain.directory import Directory, Number
from domain.facts import BotMessage, ConversationFact, CustomerSignal, CustomerTurn, MessageStatus, Party
from domain.ids import CustomerId, conversation_id, customer_id, fact_id
from infra.postgres.conversations.statuses import write_statuses
from infra.postgres.conversations.threads import CustomerHistories
from infra.postgres.directory import apply
from infra.postgres.lists.conversation_page import conversation_page

NUMBER = "106540352242922"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
ANNA = Party(wa_id="393331234567", name="Anna")
CUSTOMER = customer_id(NUMBER, "w", "393331234567")
STRANGER = customer_id(NUMBER, "w", "390000000000")


def turn(wamid: str, minute: int, text: str) -> CustomerTurn:
    at = NOON + timedelta(minutes=minute)
    return CustomerTurn(
        id=fact_id(wamid), phone_number_id=NUMBER, at=at, sent_at=at, customer=ANNA, type="text", wamid=wamid, text=text
    )


def revoke(wamid: str, minute: int, marks: str) -> CustomerSignal:
    at = NOON + timedelta(minutes=minute)
    return CustomerSignal(
        id=fact_id(wamid),
        phone_number_id=NUMBER,
        at=at,
        sent_at=at,
        customer=ANNA,
        type="revoke",
        wamid=wamid,
        marks=marks,
    )


def answer(wamid: str, minute: int) -> BotMessage:
    at = NOON + timedelta(minutes=minute)
    return BotMessage(
        id=fact_id(wamid),
        phone_number_id=NUMBER,
        at=at,
        sent_at=at,
        customer=ANNA,
        session_id="s",
        text="Please choose",
        wamid=wamid,
    )


HELLO = turn("wamid.1", 0, "Hello")


def conversation(opening: ConversationFact, **given: Any) -> Conversation:
    mark = FactRef(opening.at, opening.id)
    evidence = Evidence(first_turn=mark, last_turn=mark, last_text=(mark, "Hello"), named=(mark, "Anna"))
    fields: dict[str, Any] = {
        "id": conversation_id(opening.at, opening.id),
        "customer_id": CUSTOMER,
        "phone_number_id": NUMBER,
        "opened_at": opening.at,
        "window_ends_at": opening.at + timedelta(days=1),
        "wa_id": "393331234567",
        "entries": 1,
        "evidence": evidence,
        "reason": Reason.NO_CHOICE,
        "because": (opening.id,),
        "version": 1,
        "sequence": 2,
    }
    return Conversation(**fields | given)


@pytest.fixture
def conn(database: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def keep(conn: Connection[Any], of: Conversation | None, *facts: ConversationFact, by: CustomerId = CUSTOMER) -> None:
    """Writes facts as the consumer does: of this conversation, or waiting for one."""
    threads = CustomerHistories(conn)
    if of:
        threads.write_conversations([], [of])
    threads.write_entries([(by, FactPlacement(fact, of.id if of else None)) for fact in facts], [])


def test_a_conversation_that_does_not_exist_has_no_page(conn: Connection[Any]) -> None:
    assert conversation_page(conn, UUID(int=1)) is None


def test_a_page_shows_the_conversation_as_it_was_kept(conn: Connection[Any]) -> None:
    kept = conversation(
        HELLO, decisions=Decisions(owner=Owner("user", "anna", "reserved", NOON + timedelta(minutes=30))), reason=None
    )
    keep(conn, kept, HELLO)
    found = conversation_page(conn, kept.id)
    assert found is not None
    assert kept == found.conversation


def test_its_transcript_has_every_fact_in_order_and_nothing_of_others(conn: Connection[Any]) -> None:
    kept, other = conversation(HELLO), conversation(turn("wamid.9", 1, "x"), customer_id=STRANGER)
    keep(conn, kept, turn("wamid.3", 2, "Anybody?"), HELLO, answer("wamid.2", 1))
    keep(conn, other, turn("wamid.9", 1, "x"), by=STRANGER)
    found = conversation_page(conn, kept.id)
    assert found is not None
    assert [item.text for item in found.transcript] == ["Hello", "Please choose", "Anybody?"]


def test_what_became_of_an_answer_is_the_furthest_whatever_came_first_and_for_whom(conn: Connection[Any]) -> None:
    kept = conversation(HELLO)
    keep(conn, kept, HELLO, answer("wamid.2", 1), answer("wamid.3", 2), answer("wamid.4", 3))
    for n, (wamid, recipient, status, minute) in enumerate(
        [
            ("wamid.2", "393331234567", "read", 5),
            ("wamid.2", "393331234567", "sent", 2),
            ("wamid.2", "", "delivered", 4),
            ("wamid.3", "393331234567", "sent", 3),
            ("wamid.3", "393331234567", "failed", 4),
        ]
    ):
        at = NOON + timedelta(minutes=minute)
        told = MessageStatus(
            id=fact_id("status", str(n)),
            phone_number_id=NUMBER,
            at=at,
            sent_at=at,
            wamid=wamid,
            recipient=recipient,
            status=status,
        )
        write_statuses(conn, [told])
    found = conversation_page(conn, kept.id)
    assert found is not None
    assert [item.status for item in found.transcript] == [None, "read", "failed", None]


def test_what_the_customer_took_back_later_is_marked(conn: Connection[Any]) -> None:
    """In the same conversation, in the next one, or where no conversation was; but not by somebody else."""
    facts = [turn(f"wamid.{n}", n, f"{n}") for n in range(4)]
    kept = conversation(facts[0], status="closed", closed_at=NOON + timedelta(days=1))
    next_one = conversation(turn("wamid.9", 2000, "again"))
    keep(conn, kept, *facts, revoke("wamid.5", 5, "wamid.0"))
    keep(conn, next_one, turn("wamid.9", 2000, "again"), revoke("wamid.6", 2001, "wamid.1"))
    keep(conn, None, revoke("wamid.7", 1900, "wamid.2"))
    keep(conn, None, revoke("wamid.8", 1900, "wamid.3"), by=STRANGER)
    found = conversation_page(conn, kept.id)
    assert found is not None
    assert [item.deleted for item in found.transcript] == [True, True, True, False, False]


def test_its_history_says_what_happened_when_why_and_by_whom(conn: Connection[Any]) -> None:
    kept = conversation(HELLO, sequence=1)
    queued = conversation(
        HELLO, sequence=2, reason=None, because=(), decisions=Decisions(owner=Owner("skillset", "sales", "queued"))
    )
    keep(conn, kept, HELLO)
    CustomerHistories(conn).write_history(
        [PublicEvent(queued, "queued", NOON + timedelta(minutes=1), (HELLO.id,), "customer")]
    )
    CustomerHistories(conn).write_history([PublicEvent(kept, "became_unmanaged", NOON, (HELLO.id,), "customer")])
    found = conversation_page(conn, kept.id)
    expected = [
        {
            "sequence": 1,
            "at": "2026-07-01T12:00:00Z",
            "event": "became_unmanaged",
            "reason": "no_choice",
            "because": [str(HELLO.id)],
            "actor": "customer",
            "owner": None,
        },
        {
            "sequence": 2,
            "at": "2026-07-01T12:01:00Z",
            "event": "queued",
            "reason": None,
            "because": [str(HELLO.id)],
            "actor": "customer",
            "owner": {"kind": "skillset", "id": "sales"},
        },
    ]
    assert found is not None
    assert expected == [history_document(entry) for entry in found.history]


def test_its_number_is_named_if_it_is_in_the_directory(conn: Connection[Any]) -> None:
    kept = conversation(HELLO)
    keep(conn, kept, HELLO)
    unnamed = conversation_page(conn, kept.id)
    apply(conn, Directory({NUMBER: Number(NUMBER, "Shop", "Europe/Rome", softbot=True)}))
    named = conversation_page(conn, kept.id)
    assert unnamed is not None
    assert named is not None
    assert (unnamed.number, named.number) == (Number(NUMBER), Number(NUMBER, "Shop", "Europe/Rome"))
