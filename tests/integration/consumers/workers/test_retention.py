"""What is older than its number keeps it is removed, and nothing else (docs/design/retention.md, R1 and R2)."""

import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumers.workers.retention.file_removal import FileRemoval
from consumers.workers.retention.worker import RetentionWorker
from domain.facts import Party
from domain.ids import fact_id
from domain.retention.periods import Retention
from infra.media.store import THUMBNAIL
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.roles import provide, role_of
from tests.support.erasure_room import NAME, OTHER, WORDS, ZOE, ErasureRoom, open_erasure_room
from tests.support.fake_store import FakeStore
from tests.support.office import COMPANY
from tests.support.stories import NUMBER, FactMaker
from witiop.operations.retention_findings import retention_findings

DAY = 24.0


@pytest.fixture
def room(database: str) -> Iterator[ErasureRoom]:
    with open_erasure_room(database) as room:
        yield room


def keeps(room: ErasureRoom, number: str = NUMBER, **days: int) -> None:
    kept = replace(COMPANY.numbers[number], retention=Retention(**days))
    room.office.apply_directory(replace(COMPANY, numbers={**COMPANY.numbers, number: kept}))


def wrote(room: ErasureRoom, days_ago: float, text: str = WORDS, phone: str = ZOE, number: str = NUMBER) -> UUID:
    """A conversation that ended a day after its message; returns its id."""
    turn = FactMaker(number, Party(wa_id=phone, name=NAME)).turn(room.office.hours_ago(days_ago * DAY), text)
    room.office.process(turn, arrived_hours_ago=days_ago * DAY)
    room.office.timer.close_due()
    (row,) = room.office.rows(f"select id from conversations where wa_id = '{phone}' order by opened_at desc limit 1")
    id_: UUID = row["id"]
    return id_


def campaign(room: ErasureRoom, name: str, days_ago: int, state: str) -> UUID:
    """A campaign with one recipient and one row that could not be read; returns its id."""
    id_, execute = fact_id("campaign", name), room.office.connection.execute
    execute(
        "insert into campaigns (id, name, phone_number_id, account_id, source, into_active, terms, actor, changed_by, "
        "created_at, state) values (%s, %s, %s, '1', '{}', false, '{}', 'boss', 'boss', "
        "now() - make_interval(days => %s), %s)",
        [id_, name, NUMBER, days_ago, state],
    )
    execute(
        "insert into recipients (campaign_id, row_no, phone_number_id, address, address_kind, address_key, person, "
        "name, parameters, cells, state) values (%s, 2, %s, %s, 'phone', %s, %s, %s, %s, %s, 'read')",
        [id_, NUMBER, ZOE, ZOE, ZOE, NAME, '{"1": "x"}', '["x"]'],
    )
    execute(
        "insert into import_problems (campaign_id, row_no, place, problem, value) values (%s, 3, 0, 'p', %s)",
        [id_, ZOE],
    )
    return id_


def works(room: ErasureRoom, worker: RetentionWorker | None = None) -> None:
    """A whole walk, and what has a time of its own."""
    worker = worker or RetentionWorker(room.office.connection.transaction_of, walk_again=timedelta())
    while worker.walk():
        pass
    while worker.remove_old():
        pass


def test_where_nothing_is_said_nothing_is_removed(room: ErasureRoom) -> None:
    old = wrote(room, 4000)
    works(room)
    assert [old] == room.conversations()
    assert "entries" in room.where(WORDS)


def test_what_was_written_goes_and_the_conversation_stays(room: ErasureRoom) -> None:
    old, young = wrote(room, 3700), wrote(room, 3600, phone=OTHER)
    room.office.connection.execute(
        "insert into notes (id, conversation_id, author, text) values (gen_random_uuid(), %s, 'anna', %s)", [old, WORDS]
    )
    keeps(room, messages=3650)
    works(room)
    rows = room.office.rows(
        "select id, last_text, messages_removed_at is not null as removed from conversations order by id"
    )
    assert [
        {"id": old, "last_text": None, "removed": True},
        {"id": young, "last_text": WORDS, "removed": False},
    ] == rows
    assert {young} == {row["conversation_id"] for row in room.office.rows("select conversation_id from entries")}
    assert [] == room.office.rows("select from notes")
    assert room.office.history(old)
    assert [{"n": 2}] == room.office.rows("select sum(n)::integer as n from unmanaged_counts")
    works(room)  # once more: there is nothing left to be done


def test_a_whole_conversation_goes_with_its_customer(room: ErasureRoom) -> None:
    wrote(room, 3700)
    returning = wrote(room, 3710, phone=OTHER), wrote(room, 3600, phone=OTHER)
    keeps(room, history=3650)
    works(room)
    assert ([], [returning[1]]) == (room.conversations(), room.conversations(OTHER))
    assert {} == room.where(ZOE)
    assert [{"n": 1}] == room.office.rows("select sum(n)::integer as n from unmanaged_counts")
    assert 1 == len(room.office.rows("select from customers"))


def test_each_number_has_its_own_time(room: ErasureRoom) -> None:
    here, there = wrote(room, 3700), wrote(room, 3700, phone=OTHER, number="plain")
    keeps(room, history=3650)
    works(room)
    assert ([], [there]) == (room.conversations(), room.conversations(OTHER)), here


def test_an_active_conversation_is_never_touched(room: ErasureRoom) -> None:
    conversation = wrote(room, 3700)
    keeps(room, history=3650)
    room.office.connection.execute("update conversations set status = 'a', closed_at = null")
    works(room)
    assert [conversation] == room.conversations()


def test_a_topic_that_is_read_again_brings_nothing_back(room: ErasureRoom) -> None:
    wrote(room, 3700)
    keeps(room, history=3650)
    works(room)
    wrote_again = FactMaker(NUMBER, Party(wa_id=ZOE, name=NAME)).turn(room.office.hours_ago(3700 * DAY), WORDS)
    room.office.process(wrote_again, arrived_hours_ago=3700 * DAY)
    assert {} == room.where(ZOE, WORDS)
    young = FactMaker(NUMBER, Party(wa_id=ZOE)).turn(room.office.hours_ago(3640 * DAY), "within the time")
    room.office.process(young, arrived_hours_ago=3640 * DAY)
    assert 1 == len(room.conversations())


def test_facts_without_a_conversation_go_as_well(room: ErasureRoom) -> None:
    """With the customers who have nothing else: somebody who never wrote."""
    zoe, when = FactMaker(NUMBER, Party(wa_id=ZOE)), room.office.hours_ago(3700 * DAY)
    facts = [zoe.signal(when), zoe.edits(when, zoe.turn(when - 1, "never seen"), WORDS)]
    room.office.process(*facts, arrived_hours_ago=3700 * DAY)
    assert 2 == len(room.office.rows("select from entries where conversation_id is null"))
    assert "message_changes" in room.where(WORDS)
    keeps(room, messages=3650)
    works(room)
    assert [] == room.office.rows("select from entries")
    assert {} == room.where(WORDS, ZOE)


def test_what_belongs_to_no_conversation_goes_with_the_time_of_its_number(room: ErasureRoom) -> None:
    """Messages of campaigns that nobody answered, and old messages of a number that was connected. What still has to be
    sent stays, and so does what another number keeps."""
    execute = room.office.connection.execute
    stored = ((NUMBER, 100, "read"), (NUMBER, 100, "queued"), (NUMBER, 10, "read"), ("plain", 100, "read"))
    for number, days, state in stored:
        execute(
            "insert into sends (id, command_id, phone_number_id, address, address_kind, recipient, kind, lane, "
            "content, text, actor, is_word, is_claim, needs_window, requested_at, held_until, due_at, state, secret, "
            "wamid) values (gen_random_uuid(), gen_random_uuid()::text, %s, %s, 'phone', %s, 'template', 2, '{}', %s, "
            "'boss', false, false, false, now() - make_interval(days => %s), now(), now(), %s, '', "
            "gen_random_uuid()::text)",
            [number, ZOE, ZOE, WORDS, days, state],
        )
        execute(
            "insert into notices (input_id, sent_at, at, account_id, phone_number_id, field, body) values "
            "(gen_random_uuid(), now(), now() - make_interval(days => %s), '1', %s, 'history', to_json(%s::text))",
            [days, number, WORDS],
        )
    execute("insert into send_log (send_id, at, attempt, event, actor) select id, now(), 1, 'accepted', 'x' from sends")
    execute(
        "insert into message_status (phone_number_id, wamid, recipient, rank) "
        "select phone_number_id, wamid, address, 3 from sends"
    )
    keeps(room, messages=90)
    works(room)
    left = room.office.rows("select phone_number_id, state from sends order by phone_number_id, state")
    assert [(NUMBER, "queued"), (NUMBER, "read"), ("plain", "read")] == [tuple(row.values()) for row in left]
    counts = {
        table: len(room.office.rows(f"select from {table}")) for table in ("send_log", "message_status", "notices")
    }
    assert {"send_log": 3, "message_status": 3, "notices": 2} == counts


def test_rows_of_campaigns_say_nothing_of_people_after_their_time(room: ErasureRoom) -> None:
    """First what the file had, then the addresses too. A campaign that is not over keeps its rows."""
    days = (("old", 400, "finished"), ("older", 4000, "cancelled"), ("runs", 4000, "running"))
    ids = {name: campaign(room, name, ago, state) for name, ago, state in days}
    keeps(room, messages=365, history=3650)
    works(room)
    works(room)
    rows = room.office.rows(
        "select k.name, r.address is not null as address, r.name is not null or r.parameters is not null "
        "or r.cells is not null as written, r.state from recipients r join campaigns k on k.id = r.campaign_id "
        "order by k.name"
    )
    assert [("old", True, False, "read"), ("older", False, False, "read"), ("runs", True, True, "read")] == [
        tuple(row.values()) for row in rows
    ]
    assert [{"campaign_id": ids["runs"]}] == room.office.rows("select campaign_id from import_problems")
    logged = room.office.rows("select campaign_id, reason from campaign_log where event = 'rows_removed'")
    assert {ids["old"]: "written", ids["older"]: "whole"} == {row["campaign_id"]: row["reason"] for row in logged}
    assert 2 == len(logged)


def test_statuses_of_messages_that_nobody_here_knows_go_a_month_later(
    room: ErasureRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other programs send from the number too, and Meta reports what becomes of their messages."""
    monkeypatch.setattr("infra.postgres.retention.unattached._BLOCKS", 1)
    rows = [("a", NUMBER, 122), ("b", NUMBER, 100), ("c", "plain", 122), *((f"d{n}", NUMBER, 1) for n in range(300))]
    for wamid, number, days in rows:
        room.office.connection.execute(
            "insert into message_status (phone_number_id, wamid, recipient, rank, succeeded_at) "
            "values (%s, %s, %s, 3, now() - make_interval(days => %s))",
            [number, wamid, ZOE, days],
        )
    room.office.connection.execute(
        "insert into message_status (phone_number_id, wamid, recipient, rank, failed_at) "
        "values (%s, 'e', %s, 0, now() - interval '122 days')",
        [NUMBER, ZOE],
    )
    keeps(room, messages=90)
    worker = RetentionWorker(room.office.connection.transaction_of)
    for _ in range(10):
        worker.remove_old_statuses()
    left = {row["wamid"] for row in room.office.rows("select wamid from message_status")}
    assert {"b", "c"} == {each for each in left if not each.startswith("d")}
    assert 302 == len(left)


def test_dead_letters_stay_as_long_as_a_number_keeps_its_messages(room: ErasureRoom) -> None:
    for days in (100, 10):
        room.office.connection.execute(
            'insert into set_aside (id, kind, source, reason, received_at, raw, topic, partition, "offset") values '
            "(gen_random_uuid(), 'unreadable', 'whatsapp', 'r', now() - make_interval(days => %s), 'raw', 't', 0, %s)",
            [days, days],
        )
    keeps(room, messages=90)
    works(room)
    assert 2 == len(room.office.rows("select from set_aside")), "another number keeps everything"
    kept = {number: replace(of, retention=Retention(messages=90)) for number, of in COMPANY.numbers.items()}
    room.office.apply_directory(replace(COMPANY, numbers=kept))
    works(room)
    assert [{"offset": 10}] == room.office.rows('select "offset" from set_aside')


def test_files_are_deleted_from_the_store_unless_another_message_has_the_same(room: ErasureRoom) -> None:
    store = FakeStore()
    for key in ("a", "b", "a" + THUMBNAIL):
        store.put(key, io.BytesIO(b"x"))
    of = {"phone_number_id": NUMBER, "meta_id": "m", "kind": "image", "state": "stored"}
    for n, (sha256, days) in enumerate((("a", 100), ("b", 100), ("b", 1))):
        room.office.connection.execute(
            "insert into media (message_id, phone_number_id, meta_id, kind, state, sha256, expires_at) values "
            "(gen_random_uuid(), %s, %s, %s, %s, %s, now() - make_interval(days => %s) + interval '7 days')",
            [*of.values(), sha256, days],
        )
        assert n < 3
    keeps(room, media=90)
    worker = RetentionWorker(room.office.connection.transaction_of, FileRemoval(store))
    works(room, worker)
    store.failing = True
    assert not worker.delete_files()
    assert {"a", "b", "a" + THUMBNAIL} == store.files.keys(), "they stay noted while the store does not answer"
    store.failing = False
    assert not worker.delete_files()
    assert {"b"} == store.files.keys()
    assert [] == room.office.rows("select from unneeded_files")
    states = [row["state"] for row in room.office.rows("select state from media order by state")]
    assert ["removed", "removed", "stored"] == states


def test_mails_go_after_their_own_time(room: ErasureRoom) -> None:
    conversation = wrote(room, 10)
    for days, state in ((100, "sent"), (100, "requested"), (10, "sent")):
        room.office.connection.execute(
            "insert into mails (id, command_id, conversation_id, issuer, recipients, subject, body, masked, "
            "requested_at, held_until, due_at, state) values (gen_random_uuid(), gen_random_uuid()::text, %s, 'boss', "
            "'{a@example.com}', 's', 'b', false, now() - make_interval(days => %s), now(), now(), %s)",
            [conversation, days, state],
        )
    keeps(room, mails=90)
    works(room)
    assert 2 == len(room.office.rows("select from mails")), "what still has to be sent stays"


def test_entries_of_the_audit_go_after_the_time_of_their_number(room: ErasureRoom) -> None:
    conversation, elsewhere = wrote(room, 10), wrote(room, 10, phone=OTHER, number="plain")
    for about in (conversation, elsewhere, None):
        room.office.connection.execute(
            "insert into console_audit (event, at, conversation_id) values ('asked', now() - interval '100 days', %s)",
            [about],
        )
    keeps(room, audit=90)
    works(room)
    left = [row["conversation_id"] for row in room.office.rows("select conversation_id from console_audit order by id")]
    assert [elsewhere, None] == left, "what is about no number stays as long as one of them keeps everything"


def test_a_walk_goes_on_where_a_process_died(room: ErasureRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.workers.retention.worker.BATCH", 1)
    for n in range(3):
        wrote(room, 3700 + n, phone=f"1650555000{n}")
    keeps(room, history=3650)
    first = RetentionWorker(room.office.connection.transaction_of)
    assert first.walk()
    assert 2 == len(room.office.rows("select from conversations"))
    works(room)
    assert [] == room.office.rows("select from conversations")
    assert not RetentionWorker(room.office.connection.transaction_of).walk(), "the next walk is an hour later"


def test_the_numbers_stay_when_conversations_go(room: ErasureRoom) -> None:
    wrote(room, 3700)
    events = room.public_events()
    room.count(events)
    before = room.office.rows("select sum(opened) as opened from stat_hours")
    keeps(room, history=3650)
    works(room)
    room.count(events)
    assert before == room.office.rows("select sum(opened) as opened from stat_hours")


def test_the_role_of_the_process_is_enough(room: ErasureRoom, database: str) -> None:
    """For everything that it does."""
    provide(room.office.connection, {"retention": "a password"})
    dsn = make_conninfo(
        database, user=role_of("retention", str(conninfo_to_dict(database)["dbname"])), password="a password"
    )
    room.plant_everywhere()
    wrote(room, 3700, phone=OTHER)
    campaign(room, "old", 4000, "finished")
    keeps(room, messages=100, media=50, mails=60, history=3650, audit=3000)
    assert ("applied", None) == room.ask()
    with closing(DatabaseSession(dsn, "test")) as session:
        worker = RetentionWorker(session.transaction, FileRemoval(FakeStore()), walk_again=timedelta())
        while worker.erase():
            room.settle()
        works(room, worker)
        worker.remove_old_statuses()
        worker.delete_files()
        worker.keep_months()
        worker.end_marks()
    assert [] == room.conversations(OTHER)
    assert room.office.rows("select from months")
    assert room.office.rows("select from campaign_log where event = 'rows_removed'")


def test_doctor_says_when_nobody_removes_what_is_over(room: ErasureRoom) -> None:
    def findings() -> list[str]:
        return [each.what for each in retention_findings(room.office.connection)]

    assert [] == findings()
    keeps(room, messages=90)
    assert ["conversations whose time is over have not been looked for within the last day"] == findings()
    works(room)
    assert [] == findings()
    assert ("applied", None) == room.ask()
    room.office.connection.execute("update erasures set asked_at = asked_at - interval '1 hour'")
    assert ["1 erasures of people wait for more than ten minutes"] == findings()
