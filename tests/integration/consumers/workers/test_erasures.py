"""Erasures of people on a real database: nothing that leads to a person stays, nothing brings it back, and everybody
else keeps everything (docs/design/retention.md, E1-E5)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from consumers.handlers.conversations import Conversations
from consumers.workers.retention.erasing import erase_next
from domain.conversations.customers.identities import phone_identity
from domain.facts import (
    AgentMessage,
    ConversationFact,
    CustomerIdentityChanged,
    MailEvent,
    MarketingPreference,
    MessageStatus,
    Notice,
    Party,
)
from domain.ids import customer_id, fact_id
from domain.sending.callback import Callback
from infra.kafka.consumer import IncomingRecord
from infra.postgres.connections.clock import database_now
from infra.postgres.messaging.dead_letters import store_dead_letters
from infra.postgres.opt_outs.in_force import opted_out_addresses
from infra.postgres.retention.people import counted, customers_of, direct_sends, subject_of
from tests.support.databases import Databases
from tests.support.erasure_room import NAME, OTHER, WORDS, ZOE, ErasureRoom, open_erasure_room
from tests.support.stories import NUMBER, FactMaker, at

KNOWS_IDS = {"erased_ids", "outbox"}
"""Tables that remember which conversations were erased, so that nothing brings them back, and others learn of it."""


@pytest.fixture
def room(database: str) -> Iterator[ErasureRoom]:
    with open_erasure_room(database) as room:
        yield room


def test_after_an_erasure_no_table_has_anything_of_the_person(room: ErasureRoom) -> None:
    """With a row about her in every table that may hold one."""
    tables = room.plant_everywhere()
    (conversation,) = room.conversations()
    connection = room.office.connection
    subject = subject_of(connection, customers_of(connection, ZOE, None), ZOE, direct_sends(connection, (), ZOE))
    there = counted(connection, subject, database_now(connection), everything=True)
    assert set(tables) == there.keys(), "each table has something of her"

    assert ("applied", None) == room.ask()
    room.plant_in_outbox()
    removed = room.carry_out()
    assert there.keys() == removed.keys()
    traces = room.where(ZOE, NAME, WORDS, "zirconium", str(conversation), str(customer_id(NUMBER, "w", ZOE)))
    assert KNOWS_IDS >= traces.keys(), traces
    assert {str(conversation)} == traces["outbox"]
    assert {} == counted(connection, subject, database_now(connection), everything=True)
    assert [("done", None, None, None)] == [
        tuple(row.values()) for row in room.office.rows("select state, phone, customer_id, subject from erasures")
    ]


def test_others_keep_everything(room: ErasureRoom) -> None:
    room.writes("hello from another", OTHER)
    room.writes()
    room.office.connection.execute("delete from outbox")  # published
    before = room.where(OTHER, "hello from another")
    room.erase()
    room.office.connection.execute("delete from outbox")
    assert before == room.where(OTHER, "hello from another")


def test_who_is_not_known_by_id_is_not_erased(room: ErasureRoom) -> None:
    assert ("rejected", "customer_unknown") == room.ask(None, fact_id("nobody"))


def test_a_customer_of_one_number_is_erased_by_id(room: ErasureRoom) -> None:
    room.writes()
    room.office.process(FactMaker("plain", Party(wa_id=ZOE)).turn(room.office.hours_ago(1), "elsewhere"))
    room.erase(None, customer_id(NUMBER, "w", ZOE))
    rows = room.office.rows(f"select phone_number_id from conversations where wa_id = '{ZOE}'")
    assert [{"phone_number_id": "plain"}] == rows
    room.erase()
    assert [] == room.conversations()


def test_repeats_late_facts_and_what_names_the_conversation_bring_nothing_back(room: ErasureRoom) -> None:
    """Also a message from before the erasure that arrives for the first time, an opt-out of then, and a repeat that
    names another second."""
    known, late = room.turn(), room.turn("never seen before", hours_ago=1)
    room.office.process(known)
    (conversation,) = room.conversations()
    room.erase()
    later = datetime.now(UTC) + timedelta(seconds=2)
    status = {"at": later, "sent_at": later, "phone_number_id": NUMBER, "status": "read"}
    said = {"id": fact_id("said"), "at": later, "sent_at": later, "agent_id": "anna", "text": WORDS}
    stopped = {"at": known.at, "sent_at": known.at, "phone_number_id": NUMBER, "wants": False}
    room.office.process(
        known,
        late,
        known.model_copy(update={"sent_at": later, "at": later}),
        AgentMessage.model_validate({**said, "conversation_id": conversation}),
        MessageStatus.model_validate({**status, "id": fact_id("s"), "wamid": known.wamid, "recipient": ZOE}),
        MarketingPreference.model_validate({**stopped, "id": fact_id("p"), "customer": {"wa_id": ZOE}}),
    )
    assert {} == room.where(ZOE, NAME, WORDS, "never seen before")
    assert [] == room.office.rows("select from early_records union all select from set_aside")


def old_message(room: ErasureRoom, phone: str = ZOE, hours_ago: float = 3) -> Notice:
    """A message of long ago, as Meta reports it when a number is connected."""
    when = at(room.office.hours_ago(hours_ago))
    body = {"from": phone, "id": f"wamid.old.{phone}", "text": {"body": WORDS}}
    id_ = fact_id("message", NUMBER, f"wamid.old.{phone}")
    fields = {"id": id_, "at": when, "sent_at": when, "account_id": "1", "phone_number_id": NUMBER}
    return Notice.model_validate({**fields, "field": "history", "body": body})


def test_an_old_message_that_belongs_to_no_conversation_does_not_come_back(room: ErasureRoom) -> None:
    """Neither one that was stored, nor one that comes after the erasure for the first time."""
    room.writes()
    known = old_message(room)
    room.office.process(known)
    assert "notices" in room.where(WORDS)
    room.erase()
    deep = old_message(room, hours_ago=4).model_copy(update={"id": fact_id("late"), "body": [[{"to": [f"+{ZOE}"]}]]})
    room.office.process(known, deep, old_message(room, OTHER))
    assert {} == room.where(ZOE)
    assert [{"phone": OTHER}] == room.office.rows("select body ->> 'from' as phone from notices")


def test_an_edit_of_a_message_that_never_came_is_erased(room: ErasureRoom) -> None:
    """Its text is kept with the message that it names."""
    room.writes()
    zoe = FactMaker(customer=Party(wa_id=ZOE, name=NAME))
    unseen = zoe.turn(room.office.hours_ago(1.5), "never seen")
    room.office.process(zoe.edits(room.office.hours_ago(1), unseen, "zirconium edited"))
    assert "message_changes" in room.where("zirconium edited")
    room.erase()
    room.office.process(unseen)
    assert {} == room.where(ZOE, "zirconium", "never seen")


def test_what_becomes_of_a_mail_after_the_erasure_is_not_stored(room: ErasureRoom) -> None:
    """Amazon reports for days what became of a mail; its recipients would stay for ever."""
    conversation = room.writes()
    mail = fact_id("mail")
    room.office.connection.execute(
        "insert into mails (id, command_id, conversation_id, issuer, recipients, subject, body, masked, "
        "requested_at, held_until, due_at, state) values (%s, 'c', %s, 'boss', "
        "'{zoe@example.com}', 's', 'b', false, now(), now(), now(), 'sent')",
        [mail, conversation],
    )
    room.erase()
    now = datetime.now(UTC)
    event = {"id": fact_id("bounced"), "at": now, "sent_at": now, "mail_id": mail, "type": "bounced"}
    room.office.process(MailEvent.model_validate({**event, "recipients": ["zoe@example.com"], "reason": "unknown"}))
    assert {} == room.where("zoe@example.com")


def test_a_message_that_was_being_posted_during_the_erasure_leaves_no_status(room: ErasureRoom) -> None:
    """Nobody knew its id then; Meta's statuses name the send."""
    room.plant_everywhere()
    send = fact_id("planted", "send")
    room.office.connection.execute("update sends set wamid = null, state = 'sending' where id = %s", [send])
    room.erase()
    later = datetime.now(UTC) + timedelta(seconds=2)
    of = {"id": fact_id("late"), "at": later, "sent_at": later, "phone_number_id": NUMBER, "recipient": ZOE}
    callback = Callback(send, 1, b"12345678").text()
    status = {**of, "wamid": "wamid.posted", "status": "delivered", "callback": callback}
    room.office.process(MessageStatus.model_validate(status))
    assert {} == room.where(ZOE)


def test_who_is_erased_at_one_number_loses_no_message_to_another_one(room: ErasureRoom) -> None:
    """A message to the other number was on its way when the customer of the first one was erased."""
    room.writes()
    elsewhere = FactMaker("plain", Party(wa_id=ZOE))
    room.office.process(elsewhere.turn(room.office.hours_ago(2), "elsewhere"))
    late = elsewhere.turn(room.office.hours_ago(1), "it came late")
    room.erase(None, customer_id(NUMBER, "w", ZOE))
    room.office.process(late)
    bodies = [row["body"] for row in room.office.rows("select body from entries order by at")]
    assert ["elsewhere", "it came late"] == bodies


def test_who_reads_public_events_learns_of_the_erasure(room: ErasureRoom) -> None:
    """Also an agent's desktop, for which the conversation would be open for ever. The event outlives the last step
    while the relay is away, and changes no number."""
    over, active = room.writes(hours_ago=30), room.writes()
    room.office.timer.close_due()
    before = {each.value: each for each in room.public_events()}
    room.count([*before.values()])
    numbers = room.office.rows("select * from stat_hours order by day, reason")
    room.erase()
    told = [each for each in room.public_events() if each.value not in before]
    assert {b"witiop.conversation.erased.v1"} == {dict(each.raw_headers)["ce_type"] for each in told}
    rows = {UUID(row["id"]): row for row in (from_json(each.value) for each in told)}
    assert {over, active} == rows.keys()
    for row in rows.values():
        assert {None} == {*row["customer"].values(), row["last_text"], row["owner"]}
        assert ("closed", "boss") == (row["status"], row["actor"])
        assert row["closed_at"]
    room.count(told)
    assert numbers == room.office.rows("select * from stat_hours order by day, reason")


def test_a_dead_letter_that_was_erased_does_not_come_back_with_its_topic(room: ErasureRoom) -> None:
    room.writes()
    now = datetime.now(UTC)
    body = f'{{"from": "{ZOE}"}}'.encode()
    record = IncomingRecord(room.office.topics.unreadable, 0, 7, now, body, ())

    def copy() -> list[dict[str, object]]:
        with room.office.connection.transaction():
            left = Conversations(room.office.topics).apply(room.office.connection, [record])
            store_dead_letters(room.office.connection, left.dead_letters)
        return room.office.rows("select id from set_aside")

    assert 1 == len(copy())
    room.erase()
    assert [] == copy()


def test_who_writes_again_is_a_new_customer_whose_opt_out_counts(room: ErasureRoom) -> None:
    room.writes("STOP")
    room.writes(hours_ago=1.5)
    key = phone_identity(NUMBER, ZOE)
    assert {key: "all"} == opted_out_addresses(room.office.connection, [key])
    room.erase()
    assert {} == room.where(ZOE)
    assert {key: "all"} == opted_out_addresses(room.office.connection, [key])

    now = datetime.now(UTC)
    again = room.turn("I am back").model_copy(update={"at": now, "sent_at": now, "id": fact_id("again")})
    room.office.process(again)
    assert 1 == len(room.conversations())
    assert {key: "all"} == opted_out_addresses(room.office.connection, [key])
    begun = again.model_copy(update={"text": "START", "wamid": "w2", "id": fact_id("start")})
    room.office.process(begun)
    assert {} == opted_out_addresses(room.office.connection, [key])


def test_an_opt_out_counts_for_every_address_that_the_person_had(room: ErasureRoom) -> None:
    """Zoe opted out, and took another number then. Who knows only the new one must not write to her."""
    room.writes("STOP")
    moved = at(room.office.hours_ago(1))
    change = {"id": fact_id("moved"), "at": moved, "sent_at": moved, "phone_number_id": NUMBER, "wamid": "wamid.moved"}
    changed = {**change, "customer": {"wa_id": ZOE}, "becomes": {"wa_id": OTHER}}
    room.office.process(CustomerIdentityChanged.model_validate(changed))
    key = phone_identity(NUMBER, OTHER)
    assert {key: "all"} == opted_out_addresses(room.office.connection, [key])
    room.erase(OTHER)
    assert {} == room.where(OTHER)
    assert {key: "all"} == opted_out_addresses(room.office.connection, [key])


def test_who_is_erased_twice_has_opted_out_once(room: ErasureRoom) -> None:
    for _ in range(2):
        now = datetime.now(UTC)
        stop = room.turn("STOP").model_copy(
            update={"at": now, "sent_at": now, "id": fact_id(str(now)), "wamid": str(now)}
        )
        room.office.process(stop)
        room.erase()
    key = phone_identity(NUMBER, ZOE)
    assert {key: "all"} == opted_out_addresses(room.office.connection, [key])
    assert 1 == len(room.office.rows("select from opt_outs"))


def test_the_last_step_leaves_who_has_written_again(room: ErasureRoom) -> None:
    room.writes()
    assert ("applied", None) == room.ask()
    assert (True, True) == (room.worker.erase(), room.worker.erase())
    now = datetime.now(UTC)
    room.office.process(room.turn("back").model_copy(update={"at": now, "sent_at": now, "id": fact_id("again")}))
    (again,) = room.conversations()
    room.settle()
    assert (True, False) == (room.worker.erase(), room.worker.erase())
    assert [again] == room.conversations()
    assert 1 == len(room.office.rows("select from identities"))


def test_lists_counts_and_numbers_stay_right(room: ErasureRoom) -> None:
    """Of two customers who were left alone; the numbers count both also after they are counted again."""
    for phone in (ZOE, OTHER):
        room.writes("hello", phone, hours_ago=30)
    room.office.timer.close_due()
    events = room.public_events()
    room.count(events)
    sums = "select sum(opened) as opened, sum(lost) as lost from stat_hours where reason = ''"
    before = room.office.rows(sums)
    room.erase()
    counted_rows = "select sum(n) as n from unmanaged_counts"
    listed = "select count(*) as n from conversations where unmanaged"
    assert room.office.rows(listed) == room.office.rows(counted_rows) == [{"n": 1}]
    room.count(events)
    assert before == room.office.rows(sums)
    assert 2 == len(room.office.rows("select from stat_contributions"))


def test_another_person_who_has_the_phone_now_is_not_erased_with_who_left_it(room: ErasureRoom) -> None:
    """Zoe took another number; her old phone went to somebody else, who wrote."""
    room.writes()
    moved = at(room.office.hours_ago(1.8))
    room.office.process(
        CustomerIdentityChanged.model_validate(
            {
                "id": fact_id("moved"),
                "at": moved,
                "sent_at": moved,
                "phone_number_id": NUMBER,
                "customer": {"wa_id": ZOE},
                "becomes": {"wa_id": OTHER},
                "wamid": "wamid.moved",
            }
        )
    )
    room.office.process(FactMaker(customer=Party(wa_id=ZOE)).turn(room.office.hours_ago(0.5), "I am new here"))
    room.erase(OTHER)
    bodies = [row["body"] for row in room.office.rows("select body from entries where kind = 'customer_turn'")]
    assert ["I am new here"] == bodies


def _facts(room: ErasureRoom) -> list[ConversationFact]:
    maker = FactMaker(customer=Party(wa_id=ZOE, name=NAME))
    hours = [room.office.hours_ago(n) for n in (40, 39, 6, 5, 4)]
    first = maker.turn(hours[0], WORDS)
    return [
        first,
        maker.signal(hours[1]),
        maker.turn(hours[2], WORDS),
        maker.edits(hours[3], first, WORDS + " again"),
        maker.bot(hours[4]),
        maker.turn(hours[4], "hello"),
    ]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_facts_and_erasure_in_any_order_leave_what_came_after_it(databases: Databases, data: st.DataObject) -> None:
    """Batches of facts, repeats and the steps of the erasure in any order: in the end only what was written after the
    erasure is there, as if nothing had been before."""
    dsn = databases.create()
    try:
        with open_erasure_room(dsn) as room:
            facts = _facts(room)
            order = data.draw(st.permutations(facts * 2))
            place = data.draw(st.integers(0, len(order)))
            sizes = data.draw(st.lists(st.integers(1, 4), min_size=len(order), max_size=len(order)))
            done, steps = 0, 0
            while done < len(order):
                if done >= place and steps == 0:
                    room.ask()
                if done >= place and steps < 3:
                    room.worker.erase()
                    steps += 1
                    room.settle()
                size = sizes[done]
                room.office.process(*order[done : done + size])
                done += size
            if steps == 0:
                room.ask()
            while room.worker.erase():
                room.settle()
            assert {} == room.where(ZOE, NAME, WORDS)
            assert [{"n": 0}] == room.office.rows("select coalesce(sum(n), 0)::integer as n from unmanaged_counts")
            now = datetime.now(UTC)
            room.office.process(facts[-1].model_copy(update={"at": now, "sent_at": now, "id": fact_id("new")}))
            assert 1 == len(room.conversations())
    finally:
        databases.drop(dsn)


def test_a_batch_that_waits_for_the_erasure_sees_its_marks(room: ErasureRoom, database: str) -> None:
    """While an erasure is being committed, a fold of the same person waits, and stores nothing of before."""
    room.writes()
    assert ("applied", None) == room.ask()
    late = room.turn("late", hours_ago=1)
    with open_erasure_room(database) as beside:
        waiting = Thread(target=lambda: beside.office.process(late))
        with room.office.connection.transaction():
            assert erase_next(room.office.connection, room.office.topics)
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive(), "it waits"
        waiting.join(10)
    assert [] == room.conversations()


def test_an_erasure_that_cannot_be_committed_is_carried_out_again(room: ErasureRoom) -> None:
    room.writes()
    assert ("applied", None) == room.ask()
    with room.office.connection.transaction(force_rollback=True):
        assert erase_next(room.office.connection, room.office.topics)
    assert 1 == len(room.conversations())
    while room.worker.erase():
        room.settle()
    assert [] == room.conversations()
