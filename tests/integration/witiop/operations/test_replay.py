"""What was set aside: looked at, and sent through again."""

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
from witiop.operations.redrive import replay

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
TOPICS = Topics("test.")
NOBODY = UUID(int=0)
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


def aside(conn: Connection[Any], raw: bytes, source: str = "whatsapp", *, offset: int = 0) -> UUID:
    """Puts bytes aside, as of minute `offset`; its id."""
    it = DeadLetter(
        "dead_letter" if source == "inbound" else "unreadable",
        source,
        "entry: no array",
        NOON + timedelta(minutes=offset),
        raw,
        TOPICS.unreadable,
        0,
        offset,
    )
    store_dead_letters(conn, [it])
    return it.id


def go_through(conn: Connection[Any], publisher: Publisher, *ids: UUID) -> list[str | None]:
    """What stood in the way of each, None if nothing did."""
    return [outcome.failure for outcome in replay(conn, publisher, TOPICS, ids)]


def is_redriven(conn: Connection[Any], id_: UUID) -> bool:
    found = find(conn, id_)
    assert found is not None
    return found.row.redriven_at is not None


# looking


def test_pages_hold_each_once_the_latest_first(conn: Connection[Any]) -> None:
    ids = [aside(conn, b"x" * n, offset=n) for n in range(25)]
    walked: list[UUID] = []
    after: Cursor | None = START
    while after is not None:
        found = page(conn, 10, after)
        walked += [row.id for row in found.rows]
        after = found.next
    assert walked == ids[::-1]


def test_one_is_found_with_its_raw_bytes_and_where_it_was(conn: Connection[Any]) -> None:
    id_ = aside(conn, b"\x00\xff", offset=7)
    found = find(conn, id_)
    assert found is not None
    assert (found.raw, found.row.bytes, found.topic, found.offset) == (b"\x00\xff", 2, TOPICS.unreadable, 7)
    assert (found.row.received_at, found.row.redriven_at) == (NOON + timedelta(minutes=7), None)
    assert find(conn, NOBODY) is None


# sending through again


def test_a_dead_letter_goes_to_the_inbound_topic_as_it_was(conn: Connection[Any]) -> None:
    value, publisher = FACT.dump_json(HELLO), FakePublisher()
    readable, unreadable = aside(conn, value, "inbound"), aside(conn, b"?", "inbound", offset=1)
    assert go_through(conn, publisher, readable, unreadable) == [None, None]
    assert [record.value for record in publisher.on(TOPICS.inbound)] == [value, b"?"]
    assert [record.key for record in publisher.on(TOPICS.inbound)] == ["106540352242922:16505551234", None]
    assert waiting(conn) == []


@pytest.mark.parametrize(
    ("source", "raw", "kind"),
    [
        ("whatsapp", TEXT, "customer_turn"),
        ("agents", json.dumps(PRESENCE).encode(), "agent_presence_changed"),
        ("agents", json.dumps([PRESENCE]).encode(), "agent_presence_changed"),
    ],
)
def test_a_body_that_can_be_read_by_now_goes_through_as_facts(
    conn: Connection[Any], source: str, raw: bytes, kind: str
) -> None:
    publisher = FakePublisher()
    id_ = aside(conn, raw, source)
    assert go_through(conn, publisher, id_) == [None]
    assert [FACT.validate_json(record.value).kind for record in publisher.on(TOPICS.inbound)] == [kind]
    assert is_redriven(conn, id_)


def test_the_times_of_a_body_are_bounded_by_its_own_arrival(conn: Connection[Any]) -> None:
    late = TEXT.replace(b"1767261600", str(int(NOON.timestamp()) + 86_400).encode())
    publisher = FakePublisher()
    go_through(conn, publisher, aside(conn, late))
    [record] = publisher.records
    assert FACT.validate_json(record.value).at == NOON + timedelta(minutes=5)


@pytest.mark.parametrize("source", ["whatsapp", "softbot", "agents"])
def test_what_is_still_unreadable_says_so_and_waits(conn: Connection[Any], source: str) -> None:
    publisher = FakePublisher()
    id_ = aside(conn, b"{}", source)
    [failure] = go_through(conn, publisher, id_)
    assert failure is not None
    assert failure.startswith("still unreadable: ")
    assert publisher.records == []
    assert waiting(conn) == [id_]


def test_what_only_a_part_of_can_be_read_goes_through_and_the_rest_is_set_aside_alone(conn: Connection[Any]) -> None:
    body = payloads.body("text")
    payloads.value_of(body)["messages"].append({"type": "text"})
    publisher = FakePublisher()
    assert go_through(conn, publisher, aside(conn, json.dumps(body).encode())) == [None]
    [rest] = publisher.on(TOPICS.unreadable)
    assert len(publisher.on(TOPICS.inbound)) == 1
    assert [name for name, _ in rest.headers] == [SOURCE_HEADER, REASON_HEADER]
    assert b"Do you repair" not in rest.value


def test_an_update_that_no_record_can_hold_waits(conn: Connection[Any]) -> None:
    data = {"phone_number_id": "1", "customer": {"wa_id": "39333"}, "session_id": "s", "text": "x" * 4_200_000}
    message = {**PRESENCE, "type": "witiop.softbot.message.sent.v1", "data": data}
    publisher = FakePublisher()
    expected = "still unreadable: an update larger than a record"
    assert [expected] == go_through(conn, publisher, aside(conn, json.dumps(message).encode(), "softbot"))
    assert publisher.records == []


def test_a_broker_that_is_away_leaves_the_rest_waiting(conn: Connection[Any]) -> None:
    id_ = aside(conn, TEXT)
    with pytest.raises(PublishFailed):
        go_through(conn, FakePublisher(away=True), id_)
    assert waiting(conn) == [id_]


def test_one_that_is_not_there_does_not_stop_the_others(conn: Connection[Any]) -> None:
    outcomes = go_through(conn, FakePublisher(), NOBODY, aside(conn, TEXT))
    assert outcomes == ["there is nothing of that id", None]


# from the command line


@pytest.fixture
def witiop(monkeypatch: pytest.MonkeyPatch, database: str) -> CommandLine:
    return CommandLine(monkeypatch, database)


def test_the_list_for_programs_is_one_document(witiop: CommandLine, conn: Connection[Any]) -> None:
    id_ = aside(conn, TEXT)
    expected = {
        "rows": [
            {
                "id": str(id_),
                "kind": "unreadable",
                "reason": "entry: no array",
                "received_at": "2026-07-01T12:00:00Z",
                "bytes": len(TEXT),
                "redriven_at": None,
            }
        ],
        "next": None,
    }
    assert expected == json.loads(witiop("set-aside", "list", "--json").out)


def test_the_list_for_people_goes_on_where_it_ended(witiop: CommandLine, conn: Connection[Any]) -> None:
    for n in range(11):
        aside(conn, b"x" * 2000, offset=n)
    first = witiop("set-aside", "list").out.splitlines()
    assert first[1].split() == [
        *(str(page(conn, 10).rows[0].id), "unreadable", "whatsapp", "2026-07-01", "12:10"),
        *("2,000", "no", "entry:", "no", "array"),
    ]
    rest = witiop("set-aside", "list", "--after", first[-1].split()[-1])
    assert len(rest.out.splitlines()) == 2


def test_one_is_shown_without_driving_the_terminal_and_written_as_it_came(
    witiop: CommandLine, conn: Connection[Any]
) -> None:
    raw = b"one\x1b[2J\ntwo \xff" + b"x" * 3000
    id_ = str(aside(conn, raw))
    shown = witiop("set-aside", "show", id_)
    assert r"one\x1b[2J" in shown.out.splitlines()
    assert r"two \xffxxx" in shown.out
    assert "... of 3,013 bytes; --raw writes all of them" in shown.out
    assert b64decode(json.loads(witiop("set-aside", "show", id_, "--json").out)["raw"]) == raw
    assert witiop("set-aside", "show", str(NOBODY)).code == 1


def test_ids_or_all_are_redriven_and_not_both(witiop: CommandLine) -> None:
    witiop.set("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert [witiop("set-aside", "redrive", *more).code for more in ([], ["--all", str(NOBODY)])] == [2, 2]


def test_a_broker_that_does_not_answer_is_said_in_one_line(witiop: CommandLine, conn: Connection[Any]) -> None:
    id_ = aside(conn, TEXT)
    witiop.set("WITIOP_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    finished = witiop("set-aside", "redrive", str(id_))
    assert (finished.code, finished.out, finished.err.count("\n")) == (3, "", 1)
    assert finished.err.startswith("witiop: kafka: ")
    assert waiting(conn) == [id_]


def test_redriving_all_sends_what_waits_through_a_real_broker(
    witiop: CommandLine, conn: Connection[Any], kafka: str
) -> None:
    topics = new_topics(kafka)
    witiop.set("WITIOP_KAFKA_BOOTSTRAP_SERVERS", kafka)
    witiop.set("WITIOP_KAFKA_TOPIC_PREFIX", topics.prefix)
    good, bad = aside(conn, TEXT), aside(conn, b"{}", offset=1)
    finished = witiop("set-aside", "redrive", "--all", "--json")
    expected = {
        "outcome": "rejected",
        "reason": "not_redriven",
        "redriven": [str(good)],
        "failed": [{"id": str(bad), "reason": "still unreadable: entry: no array"}],
    }
    assert (finished.code, json.loads(finished.out)) == (1, expected)
    assert str(bad) in finished.err
    assert [FACT.validate_json(record.value).kind for record in read_all(kafka, topics.inbound)] == ["customer_turn"]
    conn.execute("delete from set_aside where id = %s", (bad,))
    again = witiop("set-aside", "redrive", "--all")
    assert (again.code, again.out) == (0, "nothing waits to be redriven\n")
