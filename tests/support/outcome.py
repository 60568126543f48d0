"""The invariants of reliability.md, checked on the database and on the public topic."""

import json
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

import psycopg
from kafka import KafkaConsumer, TopicPartition
from psycopg import Connection
from psycopg.rows import dict_row

from domain.facts import FACT, Fact, MessageStatus
from domain.inbound.agent_desk import read_agent_desk
from domain.inbound.softbot import read_softbot
from domain.inbound.whatsapp import reader
from infra.local.simulator.bodies import WebhookPost
from tests.support.kafka_topics import read_all
from tests.support.system import System

_BATCH_TYPE = "application/cloudevents-batch+json"
_RANKS = ["failed", "sent", "delivered", "read", "played"]
_HUMAN = ("human_echo", "agent_message")


def facts_of(posts: Iterable[WebhookPost]) -> list[Fact]:
    """The facts in the readable posts."""
    now = datetime.now(UTC)
    facts: list[Fact] = []
    for post in posts:
        match post.sender:
            case "whatsapp":
                facts += reader.read(post.body, now).facts
            case "softbot":
                facts += read_softbot(post.body, post.content_type == _BATCH_TYPE, now)
            case "agents":
                facts += read_agent_desk(post.body, post.content_type == _BATCH_TYPE, now)
    return facts


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """Ids of facts and how often each is stored: in a conversation or waiting for one, or as a dead letter. `statuses`:
    the highest rank of each message; `early`: ids of facts that name a conversation which is not there yet."""

    stored: Counter[UUID]
    dead: Counter[UUID]
    statuses: dict[str, int]
    early: Counter[UUID] = field(default_factory=Counter)

    @property
    def ids(self) -> Counter[UUID]:
        """All ids. A dead letter that was sent again because its answer got lost counts once."""
        return self.stored + Counter(set(self.dead))


def stored_facts(connection: Connection[Any]) -> StoredFacts:
    """Returns the facts in the database."""
    dead = connection.execute("select raw from set_aside where kind = 'dead_letter'").fetchall()
    return StoredFacts(
        Counter(row[0] for row in connection.execute("select input_id from entries").fetchall()),
        Counter(UUID(json.loads(row[0])["id"]) for row in dead),
        dict(connection.execute("select wamid, rank from message_status").fetchall()),
        Counter(UUID(json.loads(row[0])["id"]) for row in connection.execute("select raw from early_records")),
    )


def expected_facts(facts: Iterable[Fact]) -> StoredFacts:
    """Returns the facts that have to be in the database, each once. Dead letters count as stored."""
    statuses: dict[str, int] = {}
    ids = set[UUID]()
    for fact in facts:
        if isinstance(fact, MessageStatus):
            statuses[fact.wamid] = max(statuses.get(fact.wamid, 0), _RANKS.index(fact.status))
        else:
            ids.add(fact.id)
    return StoredFacts(Counter(ids), Counter(), statuses)


def has_arrived(connection: Connection[Any], facts: Sequence[Fact]) -> bool:
    """Whether at least all of the facts are stored and every public event was published."""
    wanted, found = expected_facts(facts), stored_facts(connection)
    row = connection.execute("select count(*) from outbox").fetchone()
    assert row is not None
    return wanted.ids <= found.ids and wanted.statuses.items() <= found.statuses.items() and row[0] == 0


def assert_stored_once(connection: Connection[Any], facts: Sequence[Fact]) -> None:
    """I1, I2, I3, I10: exactly the facts that were sent are stored, each once."""
    wanted, found = expected_facts(facts), stored_facts(connection)
    assert wanted.ids == found.ids
    assert wanted.statuses == found.statuses


def assert_accounted_for(connection: Connection[Any], system: System) -> None:
    """I10: every inbound record is stored or a dead letter, every unreadable body is a dead letter, with its bytes."""
    rows = connection.execute('select kind, partition, "offset", raw from set_aside').fetchall()
    dead_letters = {kind: {(p, o): raw for k, p, o, raw in rows if k == kind} for kind in ("dead_letter", "unreadable")}
    inbound = log_of(system.kafka, system.topics.inbound)
    assert {place: inbound[place] for place in dead_letters["dead_letter"]} == dead_letters["dead_letter"]
    assert log_of(system.kafka, system.topics.unreadable) == dead_letters["unreadable"]
    facts = [FACT.validate_json(raw) for place, raw in inbound.items() if place not in dead_letters["dead_letter"]]
    assert_stored(stored_facts(connection), facts)


def assert_stored(found: StoredFacts, facts: Iterable[Fact]) -> None:
    """Checks that these facts are in the database."""
    wanted = expected_facts(facts)
    assert wanted.ids.keys() <= found.ids.keys() | found.early.keys()
    assert [] == [wamid for wamid, rank in wanted.statuses.items() if found.statuses.get(wamid, -1) < rank]


def assert_list_is_right(connection: Connection[Any]) -> None:
    """I8: a conversation with a human touch is not listed. The counters agree with the list."""
    listed_and_touched = connection.execute(
        "select c.id from conversations c where c.unmanaged and (c.managed or exists "
        "(select from entries e where e.conversation_id = c.id and e.kind = any(%s)))",
        [list(_HUMAN)],
    ).fetchall()
    assert [] == listed_and_touched
    listed = connection.execute(
        "select phone_number_id, status, reason, count(*) from conversations where unmanaged group by 1, 2, 3"
    ).fetchall()
    counted = connection.execute(
        "select phone_number_id, status, reason, n from unmanaged_counts where n <> 0"
    ).fetchall()
    assert sorted(listed) == sorted(counted)


Place = tuple[int, int]
"""Partition and offset."""


def log_of(kafka: str, topic: str) -> dict[Place, bytes]:
    """Returns the values of all records of a topic, by partition and offset."""
    with _reader(kafka) as consumer:
        partitions = _partitions(consumer, topic)
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: dict[Place, bytes] = {}
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=1000).values():
                found |= {(record.partition, record.offset): record.value for record in records}
        return found


def ends_of(kafka: str, topic: str) -> dict[int, int]:
    """Returns, for each partition, the offset of its next record."""
    with _reader(kafka) as consumer:
        ends = consumer.end_offsets(_partitions(consumer, topic))
        return {partition.partition: end for partition, end in ends.items()}


def _reader(kafka: str) -> closing[Any]:
    return closing(KafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False))  # type: ignore[no-untyped-call]


def _partitions(consumer: Any, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]


def is_all_processed(system: System) -> bool:
    """Whether the consumers have processed every record of the inbound topic."""
    with psycopg.connect(system.dsn) as connection:
        offsets = connection.execute(
            "select partition, next_offset from consumer_offsets where topic = %s", [system.topics.inbound]
        ).fetchall()
    return dict(offsets) == ends_of(system.kafka, system.topics.inbound)


class Watcher:
    """Reads the database every 50 ms from another thread and records offsets and facts."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._seen: list[tuple[dict[int, int], StoredFacts]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher")

    def assert_offsets_never_ran_ahead(self) -> None:
        """I9: at every moment all facts before the offset in PostgreSQL were stored."""
        facts = {place: FACT.validate_json(raw) for place, raw in log_of(*self._inbound).items()}
        assert self._seen
        for offsets, found in self._seen:
            passed = [fact for (number, offset), fact in facts.items() if offset < offsets.get(number, 0)]
            assert_stored(found, passed)

    @property
    def _inbound(self) -> tuple[str, str]:
        return self._system.kafka, self._system.topics.inbound

    def _watch(self) -> None:
        with psycopg.connect(self._system.dsn, autocommit=True) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while not self._stop.wait(0.05):
                with connection.transaction():
                    offsets = connection.execute(
                        "select partition, next_offset from consumer_offsets where topic = %s",
                        [self._system.topics.inbound],
                    ).fetchall()
                    self._seen.append((dict(offsets), stored_facts(connection)))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


Summary = dict[tuple[str, str | None], list[dict[str, Any]]]


def summary(connection: Connection[Any], now: datetime) -> Summary:
    """I6: the conversations by number and customer, in the order of time: their facts, state and last event. domain.md
    promises that they do not depend on the order of arrival. Times are differences from `now`."""
    conversations = connection.cursor(row_factory=dict_row).execute(
        "select id, phone_number_id, wa_id, opened_at - %(now)s as opened, window_ends_at - %(now)s as window_ends, "
        "closed_at - %(now)s as closed, status::text, managed, reason, owner_id, last_text, entries, "
        "(select h.event from history h where h.conversation_id = c.id order by h.sequence desc limit 1) as last_event "
        "from conversations c order by opened_at",
        {"now": now},
    )
    found: Summary = {}
    for conversation in conversations.fetchall():
        conversation["transcript"] = connection.execute(
            "select at - %s, kind, body from entries where conversation_id = %s order by 1, 2, 3",
            [now, conversation.pop("id")],
        ).fetchall()
        key = conversation.pop("phone_number_id"), conversation.pop("wa_id")
        found.setdefault(key, []).append(conversation)
    return found


@dataclass(frozen=True, slots=True)
class PublicEvent:
    """One event on the public topic."""

    id: str
    name: str
    sequence: int
    row: dict[str, Any]


def public_events(kafka: str, topic: str) -> dict[str, list[PublicEvent]]:
    """Returns the public events of each conversation in the order of the topic, with repeats."""
    events: dict[str, list[PublicEvent]] = {}
    for record in read_all(kafka, topic):
        headers = {name: value.decode() for name, value in record.headers}
        name = headers["ce_type"].removeprefix("witiop.conversation.").removesuffix(".v1")
        event = PublicEvent(headers["ce_id"], name, int(headers["ce_sequence"]), json.loads(record.value))
        events.setdefault(str(record.key), []).append(event)
    return events


def without_repeats(events: Iterable[PublicEvent]) -> list[PublicEvent]:
    """Returns each event once, at its first place."""
    return list({event.id: event for event in reversed(list(events))}.values())[::-1]


def assert_published_without_gaps(connection: Connection[Any], system: System) -> None:
    """Checks that all events of every conversation are on the topic, each with an id of its own and in order if repeats
    are left out, and that they agree with the history."""
    events = public_events(system.kafka, system.topics.conversations)
    published = {
        conversation: [(event.sequence, event.name) for event in without_repeats(repeated)]
        for conversation, repeated in events.items()
    }
    history: dict[str, list[tuple[int, str]]] = {}
    for conversation, sequence, event in connection.execute(
        "select conversation_id::text, sequence, event from history order by 1, 2"
    ):
        history.setdefault(conversation, []).append((sequence, event))
    assert history == published
    last = connection.execute("select id::text, sequence from conversations").fetchall()
    assert dict(last) == {conversation: len(events) for conversation, events in history.items()}
    assert all([number for number, _ in events] == list(range(1, len(events) + 1)) for events in history.values())
