"""The page of one conversation on a real database, read back from rows that the consumers' code wrote."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from domain.contract.page import history_document
from domain.conversations.conversation import Conversation, Decisions, Evidence, FactRef, Owner
from domain.conversations.events import PublicEvent
from domain.conversations.evidence.message_changes import MessageChange, change_of
from domain.conversations.history import FactPlacement
from domain.conversations.reasons import Reason
from domain.directory import Directory, Number
from domain.facts import BotMessage, ConversationFact, CustomerSignal, CustomerTurn, MessageStatus, Party
from domain.ids import CustomerId, conversation_id, customer_id, fact_id
from infra.postgres.conversations.history_writer import HistoryWriter
from infra.postgres.conversations.message_changes import read_changes, write_changes
from infra.postgres.conversations.statuses import write_statuses
from infra.postgres.directory import apply
from infra.postgres.lists.conversation_page import MARKED, conversation_page, deleted_messages, marks

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


def conversation(opening: ConversationFact, **values: Any) -> Conversation:
    ref = FactRef(opening.at, 0, opening.id)
    evidence = Evidence(first_turn=ref, last_turn=ref, last_text=(ref, "Hello"), named=(ref, "Anna"))
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
    return Conversation(**fields | values)


@pytest.fixture
def conn(database: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def store(conn: Connection[Any], of: Conversation | None, *facts: ConversationFact, by: CustomerId = CUSTOMER) -> None:
    """Writes facts as the consumer does: as part of this conversation, or waiting for one (None)."""
    histories = HistoryWriter(conn)
    if of:
        histories.write_conversations([], [of])
    histories.write_entries([(by, FactPlacement(fact, of.id if of else None)) for fact in facts], [])
    changes = [named for fact in facts if (named := change_of(fact)) is not None]
    write_changes(conn, [((NUMBER, wamid), change) for wamid, change in changes])


def test_a_conversation_that_does_not_exist_has_no_page(conn: Connection[Any]) -> None:
    assert conversation_page(conn, UUID(int=1)) is None


def test_a_page_shows_the_conversation_as_it_was_stored(conn: Connection[Any]) -> None:
    stored = conversation(
        HELLO, decisions=Decisions(owner=Owner("user", "anna", "reserved", NOON + timedelta(minutes=30))), reason=None
    )
    store(conn, stored, HELLO)
    found = conversation_page(conn, stored.id)
    assert found is not None
    assert stored == found.conversation


def test_the_transcript_has_every_fact_of_the_conversation_in_order_and_no_others(conn: Connection[Any]) -> None:
    stored, other = conversation(HELLO), conversation(turn("wamid.9", 1, "x"), customer_id=STRANGER)
    store(conn, stored, turn("wamid.3", 2, "Anybody?"), HELLO, answer("wamid.2", 1))
    store(conn, other, turn("wamid.9", 1, "x"), by=STRANGER)
    found = conversation_page(conn, stored.id)
    assert found is not None
    assert [item.text for item in found.transcript] == ["Hello", "Please choose", "Anybody?"]


def test_an_answer_shows_its_furthest_status_of_any_recipient_in_any_order(
    conn: Connection[Any],
) -> None:
    stored = conversation(HELLO)
    store(conn, stored, HELLO, answer("wamid.2", 1), answer("wamid.3", 2), answer("wamid.4", 3))
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
        reported = MessageStatus(
            id=fact_id("status", str(n)),
            phone_number_id=NUMBER,
            at=at,
            sent_at=at,
            wamid=wamid,
            recipient=recipient,
            status=status,
        )
        write_statuses(conn, [reported])
    found = conversation_page(conn, stored.id)
    assert found is not None
    assert [item.status for item in found.transcript] == [None, "read", "failed", None]


def test_a_message_that_the_customer_deleted_later_is_marked(conn: Connection[Any]) -> None:
    """The deletion may be in the same conversation, in the next one, or outside of any."""
    facts = [turn(f"wamid.{n}", n, f"{n}") for n in range(4)]
    stored = conversation(facts[0], status="closed", closed_at=NOON + timedelta(days=1))
    next_one = conversation(turn("wamid.9", 2000, "again"))
    store(conn, stored, *facts, revoke("wamid.5", 5, "wamid.0"))
    store(conn, next_one, turn("wamid.9", 2000, "again"), revoke("wamid.6", 2001, "wamid.1"))
    store(conn, None, revoke("wamid.7", 1900, "wamid.2"))
    found = conversation_page(conn, stored.id)
    assert found is not None
    assert [item.deleted for item in found.transcript] == [True, True, True, False]
    assert [item.text for item in found.transcript] == [None, None, None, "3"]
    assert ["0", "1", "2"] == [item.text for item in deleted_messages(conn, stored.id) or ()]


def test_of_several_edits_the_latest_counts_whatever_the_order_of_writing(conn: Connection[Any]) -> None:
    key = (NUMBER, "wamid.0")
    edits = [MessageChange(FactRef(NOON + timedelta(minutes=n), n, fact_id(str(n))), f"{n}") for n in range(3)]
    for order in permutations(edits):
        conn.execute("delete from message_changes")
        for edit in order:
            write_changes(conn, [(key, edit)])
        assert {key: edits[-1]} == read_changes(conn, [key])
    write_changes(conn, [(key, MessageChange(deleted=True))])
    assert {key: edits[-1]._replace(deleted=True)} == read_changes(conn, [key])


def test_the_history_shows_each_event_with_its_time_reason_cause_and_actor(conn: Connection[Any]) -> None:
    stored = conversation(HELLO, sequence=1)
    queued = conversation(
        HELLO, sequence=2, reason=None, because=(), decisions=Decisions(owner=Owner("skillset", "sales", "queued"))
    )
    store(conn, stored, HELLO)
    HistoryWriter(conn).write_history(
        [PublicEvent(queued, "queued", NOON + timedelta(minutes=1), (HELLO.id,), "customer")]
    )
    HistoryWriter(conn).write_history([PublicEvent(stored, "became_unmanaged", NOON, (HELLO.id,), "customer")])
    found = conversation_page(conn, stored.id)
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


def test_the_page_names_the_number_if_the_directory_has_it(conn: Connection[Any]) -> None:
    stored = conversation(HELLO)
    store(conn, stored, HELLO)
    unnamed = conversation_page(conn, stored.id)
    apply(conn, Directory({NUMBER: Number(NUMBER, "Shop", "Europe/Rome", softbot=True)}))
    named = conversation_page(conn, stored.id)
    assert unnamed is not None
    assert named is not None
    assert (unnamed.number, named.number) == (Number(NUMBER), Number(NUMBER, "Shop", "Europe/Rome"))


def test_the_mark_of_a_page_follows_its_newest_messages_and_reads_no_more_of_a_long_conversation(
    conn: Connection[Any],
) -> None:
    of = conversation(HELLO)
    store(conn, of, HELLO, *(turn(f"wamid.m{n}", n, f"m{n}") for n in range(1, MARKED + 20)))
    seen = [marks(conn, [of.id])[of.id]]

    def differs(statement: str, *values: object) -> bool:
        conn.execute(statement, values)
        seen.append(marks(conn, [of.id])[of.id])
        return seen[-1] != seen[-2]

    columns = "phone_number_id, wamid, recipient, rank, succeeded_at"
    status = f"insert into message_status ({columns}) values (%s, %s, '39', 1, %s)"
    newest, oldest = f"wamid.m{MARKED + 19}", HELLO.wamid
    assert differs(status, NUMBER, newest, NOON)
    assert differs("update message_status set rank = 3")
    assert not differs(status, NUMBER, oldest, NOON)
    write_changes(conn, [((NUMBER, f"wamid.m{MARKED}"), MessageChange(deleted=True))])
    assert differs("select 1")
    assert {} == marks(conn, [UUID(int=1)])
