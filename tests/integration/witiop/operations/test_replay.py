"""Dead letters are listed, shown and replayed."""

import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from domain.facts import FACT, Fact
from domain.ports import Publisher, PublishFailed
from domain.topics import REASON_HEADER, SOURCE_HEADER, Topics
from infra.postgres.lists.cursor import START, Cursor
from infra.postgres.messaging.dead_letter_queries import find, page, waiting
from infra.postgres.messaging.dead_letters import DeadLetter, store_dead_letters
from tests.support import payloads
from tests.support.command_line import CommandLine
from tests.support.fake_publisher import FakePublisher
from tests.support.kafka_topics import new_topics, read_all
from tests.support.stories import FactMaker
from witiop.operations.replay import GROUP, replay

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
TOPICS = Topics("test.")
UNKNOWN = UUID(int=0)
TEXT = payloads.raw("text")
HELLO: Fact = FactMaker().turn(0)

PRESENCE = {
    "specversion": "1.0",
    "id": "1",
    "source": "desk",
    "type": "witiop.agents.presence.changed.v1",
    "time": "2026-07-01T12:00:00Z",
    "data": {"agent_id": "anna", "state": "ready"},
}


@pytest.fixture
def conn(database: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def store(conn: Connection[Any], raw: bytes, source: str = "whatsapp", *, offset: int = 0) -> UUID:
    """Stores a dead letter that was received `offset` minutes after noon and returns its id."""
    dead_letter = DeadLetter(
        "dead_letter" if source == "inbound" else "unreadable",
        source,
        "entry: not an array",
        NOON + timedelta(minutes=offset),
        raw,
        TOPICS.unreadable,
        0,
        offset,
    )
    store_dead_letters(conn, [dead_letter])
    return dead_letter.id


def failures(conn: Connection[Any], publisher: Publisher, *ids: UUID) -> list[str | None]:
    """Replays dead letters and returns the failure of each, None if it was replayed."""
    return [outcome.failure for outcome in replay(conn, publisher, TOPICS, ids)]


def is_replayed(conn: Connection[Any], id_: UUID) -> bool:
    found = find(conn, id_)
    assert found is not None
    return found.row.replayed_at is not None


# lists


def test_pages_have_every_dead_letter_once_newest_first(conn: Connection[Any]) -> None:
    ids = [store(conn, b"x" * n, offset=n) for n in range(25)]
    seen: list[UUID] = []
    after: Cursor | None = START
    while after is not None:
        found = page(conn, 10, after)
        seen += [row.id for row in found.rows]
        after = found.next
    assert seen == ids[::-1]


def test_a_dead_letter_is_found_with_its_raw_bytes_and_its_record(conn: Connection[Any]) -> None:
    id_ = store(conn, b"\x00\xff", offset=7)
    found = find(conn, id_)
    assert found is not None
    assert (found.raw, found.row.bytes, found.topic, found.offset) == (b"\x00\xff", 2, TOPICS.unreadable, 7)
    assert (found.row.received_at, found.row.replayed_at) == (NOON + timedelta(minutes=7), None)
    assert find(conn, UNKNOWN) is None


# replay


def test_a_poison_record_goes_to_the_inbound_topic_unchanged(conn: Connection[Any]) -> None:
    value, publisher = FACT.dump_json(HELLO), FakePublisher()
    assert failures(conn, publisher, store(conn, value, "inbound")) == [None]
    assert [record.value for record in publisher.on(TOPICS.inbound)] == [value]
    assert [record.key for record in publisher.on(TOPICS.inbound)] == ["106540352242922:16505551234"]
    assert waiting(conn) == []


def test_a_record_that_would_fail_again_is_not_replayed(conn: Connection[Any]) -> None:
    nowhere = FactMaker().accepted(1).model_copy(update={"conversation_id": UNKNOWN, "customer": None})
    raws = [b"?", FACT.dump_json(nowhere), FACT.dump_json(HELLO).replace(b"hello", b"\\u0000")]
    ids = [store(conn, raw, "inbound", offset=n) for n, raw in enumerate(raws)]
    ids.append(store(conn, b"{}", "a source of another version", offset=9))
    publisher = FakePublisher()
    assert failures(conn, publisher, *ids) == [
        "still unreadable: value: json_invalid",
        "would fail again: conversation_id: there is no such conversation",
        "still unreadable: value: contains NUL",
        "still unreadable: nobody reads bodies of this source",
    ]
    assert (publisher.records, waiting(conn)) == ([], ids)


def test_a_replay_waits_for_the_consumers_and_ends_if_dead_letters_fail_again(conn: Connection[Any]) -> None:
    ids = [store(conn, FACT.dump_json(FactMaker().turn(n)), "inbound", offset=n) for n in range(GROUP + 5)]
    publisher = FakePublisher()
    outcomes = [outcome.failure for outcome in replay(conn, publisher, TOPICS, ids, consumer_seconds=0)]
    behind = "not replayed: the consumers have not processed those before it; see witiop doctor"
    assert [None] * GROUP + [behind] * 5 == outcomes
    assert GROUP == len(publisher.records)

    conn.execute("update set_aside set redriven_at = null")
    conn.execute("insert into consumer_offsets values ('g', %s, 't', 0, 1000, now(), now())", [TOPICS.inbound])
    again = DeadLetter("dead_letter", "inbound", "SQLSTATE 23514", NOON, b"", TOPICS.inbound, 0, GROUP + 3)
    store_dead_letters(conn, [again])
    outcomes = [outcome.failure for outcome in replay(conn, publisher, TOPICS, ids, consumer_seconds=0)]
    failed = "not replayed: 1 of those before it failed again; see witiop dead-letters list"
    assert [None] * GROUP + [failed] * 5 == outcomes


@pytest.mark.parametrize(
    ("source", "raw", "kind"),
    [
        ("whatsapp", TEXT, "customer_turn"),
        ("agents", json.dumps(PRESENCE).encode(), "agent_presence_changed"),
        ("agents", json.dumps([PRESENCE]).encode(), "agent_presence_changed"),
    ],
)
def test_a_body_that_can_now_be_read_is_replayed_as_facts(
    conn: Connection[Any], source: str, raw: bytes, kind: str
) -> None:
    publisher = FakePublisher()
    id_ = store(conn, raw, source)
    assert failures(conn, publisher, id_) == [None]
    assert [FACT.validate_json(record.value).kind for record in publisher.on(TOPICS.inbound)] == [kind]
    assert is_replayed(conn, id_)


def test_the_times_of_a_body_are_bounded_by_the_time_it_was_received(conn: Connection[Any]) -> None:
    late = TEXT.replace(b"1767261600", str(int(NOON.timestamp()) + 86_400).encode())
    publisher = FakePublisher()
    failures(conn, publisher, store(conn, late))
    [record] = publisher.records
    assert FACT.validate_json(record.value).at == NOON + timedelta(minutes=5)


@pytest.mark.parametrize("source", ["whatsapp", "softbot", "agents"])
def test_a_body_that_is_still_unreadable_stays_a_dead_letter(conn: Connection[Any], source: str) -> None:
    publisher = FakePublisher()
    id_ = store(conn, b"{}", source)
    [failure] = failures(conn, publisher, id_)
    assert failure is not None
    assert failure.startswith("still unreadable: ")
    assert publisher.records == []
    assert waiting(conn) == [id_]


def test_an_update_that_is_still_unreadable_becomes_a_dead_letter_of_its_own(conn: Connection[Any]) -> None:
    body = payloads.body("text")
    payloads.value_of(body)["messages"].append({"type": "text"})
    publisher = FakePublisher()
    assert failures(conn, publisher, store(conn, json.dumps(body).encode())) == [None]
    [rest] = publisher.on(TOPICS.unreadable)
    assert len(publisher.on(TOPICS.inbound)) == 1
    assert [name for name, _ in rest.headers] == [SOURCE_HEADER, REASON_HEADER]
    assert b"Do you repair" not in rest.value


def test_an_update_that_is_too_large_for_a_record_stays_a_dead_letter(conn: Connection[Any]) -> None:
    options = [{"id": str(n), "title": "x" * 60_000} for n in range(100)]
    data = {"phone_number_id": "1", "customer": {"wa_id": "393331234567"}, "session_id": "s", "options": options}
    message = {**PRESENCE, "type": "witiop.softbot.menu.shown.v1", "data": data}
    publisher = FakePublisher()
    expected = "still unreadable: an update is too large for a record"
    assert [expected] == failures(conn, publisher, store(conn, json.dumps(message).encode(), "softbot"))
    assert publisher.records == []


def test_dead_letters_stay_when_the_broker_is_down(conn: Connection[Any]) -> None:
    id_ = store(conn, TEXT)
    with pytest.raises(PublishFailed):
        failures(conn, FakePublisher(unreachable=True), id_)
    assert waiting(conn) == [id_]


def test_an_unknown_id_does_not_stop_the_others(conn: Connection[Any]) -> None:
    outcomes = failures(conn, FakePublisher(), UNKNOWN, store(conn, TEXT))
    assert outcomes == ["there is no such dead letter", None]


# from the command line


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


def test_the_list_for_programs_is_one_document(witiop: CommandLine, conn: Connection[Any]) -> None:
    id_ = store(conn, TEXT)
    expected = {
        "rows": [
            {
                "id": str(id_),
                "kind": "unreadable",
                "reason": "entry: not an array",
                "received_at": "2026-07-01T12:00:00Z",
                "bytes": len(TEXT),
                "replayed_at": None,
            }
        ],
        "next": None,
    }
    assert expected == json.loads(witiop("dead-letters", "list", "--json").out)


def test_the_list_for_people_continues_where_it_ended(witiop: CommandLine, conn: Connection[Any]) -> None:
    for n in range(11):
        store(conn, b"x" * 2000, offset=n)
    first = witiop("dead-letters", "list").out.splitlines()
    assert first[1].split() == [
        *(str(page(conn, 10).rows[0].id), "unreadable", "whatsapp", "2026-07-01", "12:10"),
        *("2,000", "no", "entry:", "not", "an", "array"),
    ]
    rest = witiop("dead-letters", "list", "--after", first[-1].split()[-1])
    assert len(rest.out.splitlines()) == 2


def test_show_escapes_control_characters_and_json_has_the_original_bytes(
    witiop: CommandLine, conn: Connection[Any]
) -> None:
    raw = b"one\x1b[2J\ntwo \xff" + b"x" * 3000
    id_ = str(store(conn, raw))
    shown = witiop("dead-letters", "show", id_)
    assert r"one\x1b[2J" in shown.out.splitlines()
    assert r"two \xffxxx" in shown.out
    assert "... 3,013 bytes in total; --raw writes all of them" in shown.out
    assert b64decode(json.loads(witiop("dead-letters", "show", id_, "--json").out)["raw"]) == raw
    assert witiop("dead-letters", "show", str(UNKNOWN)).code == 1


def test_replay_takes_either_ids_or_all(witiop: CommandLine) -> None:
    witiop.set("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert [witiop("dead-letters", "replay", *more).code for more in ([], ["--all", str(UNKNOWN)])] == [2, 2]


def test_a_broker_that_does_not_answer_is_reported_in_one_line(witiop: CommandLine, conn: Connection[Any]) -> None:
    id_ = store(conn, TEXT)
    witiop.set("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    finished = witiop("dead-letters", "replay", str(id_))
    assert (finished.code, finished.out, finished.err.count("\n")) == (3, "", 1)
    assert finished.err.startswith("witiop: Kafka does not answer at 127.0.0.1:1 ")
    assert waiting(conn) == [id_]


def test_replay_all_sends_every_dead_letter_through_a_real_broker(
    witiop: CommandLine, conn: Connection[Any], kafka: str
) -> None:
    topics = new_topics(kafka)
    witiop.set("WITIOP_KAFKA_BOOTSTRAP_SERVERS", kafka)
    witiop.set("WITIOP_KAFKA_TOPIC_PREFIX", topics.prefix)
    good, bad = store(conn, TEXT), store(conn, b"{}", offset=1)
    finished = witiop("dead-letters", "replay", "--all", "--json")
    expected = {
        "outcome": "rejected",
        "reason": "not_replayed",
        "replayed": [str(good)],
        "failed": [{"id": str(bad), "reason": "still unreadable: entry: not an array"}],
    }
    assert (finished.code, json.loads(finished.out)) == (1, expected)
    assert str(bad) in finished.err
    assert [FACT.validate_json(record.value).kind for record in read_all(kafka, topics.inbound)] == ["customer_turn"]
    conn.execute("delete from set_aside where id = %s", (bad,))
    again = witiop("dead-letters", "replay", "--all")
    assert (again.code, again.out) == (0, "there are no dead letters to replay\n")
