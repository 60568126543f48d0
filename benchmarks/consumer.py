"""Measures the `conversations` consumer against the possible speed of Kafka, PostgreSQL and Python.

The ceiling is a loop that polls the same topic, parses the JSON, and inserts every row that the consumer inserts for
these facts, with one `unnest` insert per table, into the same tables with their indexes: the facts, the conversations
that they open, the new customers with their phone numbers, the history and the public events
(docs/decisions/0009). It updates the offset, in one transaction per poll. It is given the conversation of each fact,
and all values of the other rows, at no cost; it finds, locks, reads and changes nothing. A second ratio compares with
a loop that inserts the facts alone. The loops run alternately, see `benchmarks.setup.slices`.

The mix, by customers of a batch: 80 % write into their active conversation (most traffic of a day is in conversations
under way), 12 % are known and open a new one, 8 % are new. One text in twelve is a menu choice. With 500 customers in a
batch of 500 each writes once, as in a quiet hour of many customers; with 60 each writes eight or nine times, as when a
backlog is processed. Customers are chosen at random among all active conversations, and no two batches of a slice share
a customer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import islice
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

from psycopg import Connection
from pydantic_core import from_json, to_json

from benchmarks.figures import Figure
from benchmarks.setup.slices import BATCH, PAIRS, PARTITIONS, UNTIMED, bare_rate, consumer_rate, ratio
from benchmarks.setup.stories import DIRECTORY, GREETING, NUMBERS, number_id, turn
from benchmarks.setup.topic import BenchTopic, SendRecord
from benchmarks.setup.world import World
from consumers.changes.public_events import public_event_record
from consumers.handlers.conversations import Conversations
from domain.conversations.fold import fold
from domain.conversations.history import CustomerHistory, FoldContext
from domain.facts import FACT, CustomerTurn
from domain.ids import ConversationId, CustomerId, conversation_id, customer_id
from infra.kafka.consumer import GroupReader
from infra.postgres.connections.arrays import column_arrays, uuid_array
from infra.postgres.connections.pool import connect
from infra.postgres.conversations import columns
from infra.postgres.conversations.history_writer import INSERT_CONVERSATIONS
from infra.postgres.messaging.offsets import Offsets, Partition, Position

_TARGETS = {500: 0.45, 60: 0.60}
"""Minimum ratio, by customers in a batch."""


def measure(bootstrap: str, world: World, batches: int = 20) -> Iterator[Figure]:
    """Yields the ratios for many and for few customers. `batches` is the number of timed batches per slice."""
    mix = f"{world.conversations:,} conversations"
    for customers, least in _TARGETS.items():
        rates = _rates(bootstrap, world, customers, batches)
        who = f"{customers} customers in {BATCH} records"
        complete = [(mine, bare) for mine, bare, _ in rates]
        yield ratio(f"consumer / bare loop, {who}", "records", complete, least, "", mix)
        facts = [(mine, bare) for mine, _, bare in rates]
        alone = ratio(f"consumer / bare loop that inserts the facts alone, {who}", "records", facts, 0, "", mix)
        yield replace(alone, target="", holds=None)


def _rates(bootstrap: str, world: World, customers: int, batches: int) -> list[tuple[float, float, float]]:
    """Returns records per second, of the consumer, of the bare loop and of the one that inserts the facts alone."""
    with BenchTopic(bootstrap, PARTITIONS) as topic:
        traffic = _Traffic(world, customers, topic.topics.conversations)

        def rate(run: Callable[[BenchTopic, World, Mapping[str, _Home]], float]) -> float:
            return run(topic, world, traffic.publish(topic, UNTIMED + batches))

        everything, facts = (partial(_bare, insert=insert) for insert in (_insert, _insert_facts))
        return [(rate(_ours), rate(everything), rate(facts)) for _ in range(PAIRS)]


_Row = tuple[Any, ...]


class _Opening(NamedTuple):
    """The rows besides the entry that a fact leads to which opens a conversation. `identity`: only of a new
    customer."""

    conversation: _Row
    identity: _Row | None
    history: list[_Row]
    events: list[_Row]


class _Home(NamedTuple):
    """The customer and conversation of a fact, and what else it leads to, for the bare loop."""

    customer: str
    conversation: str
    opening: _Opening | None


class _Writer(NamedTuple):
    """A customer who writes in a batch; `conversation` is None for a new one. `known`: wrote before."""

    number: str
    wa_id: str
    customer: CustomerId
    conversation: ConversationId | None
    known: bool = True


class _Traffic:
    """Customer turns, with `customers` different customers in every 500 consecutive records."""

    def __init__(self, world: World, customers: int, events: str) -> None:
        """`events`: the topic of public events."""
        self._world = world
        self._events = events
        self._known = customers * 12 // 100
        self._new = customers * 8 // 100
        self._busy = customers - self._known - self._new
        self._chance = Random()
        self._at = world.now

    def publish(self, topic: BenchTopic, batches: int) -> Mapping[str, _Home]:
        """Publishes a slice to the topic and returns the customer and conversation of each of its facts."""
        active = iter(self._world.active(self._busy * batches, self._chance))
        quiet = iter(self._world.quiet(self._known * batches, self._chance))
        homes: dict[str, _Home] = {}
        with topic.slice() as send:
            for batch in range(batches):
                self._at += timedelta(seconds=1)
                writers = [
                    _Writer(c.phone_number_id, c.wa_id, CustomerId(c.customer_id), ConversationId(c.id))
                    for c in islice(active, self._busy)
                ]
                writers += [
                    _Writer(c.phone_number_id, c.wa_id, CustomerId(c.customer_id), None)
                    for c in islice(quiet, self._known)
                ]
                writers += [self._stranger() for _ in range(self._new)]
                self._write(writers, send, batch % PARTITIONS, homes)
        return homes

    def _stranger(self) -> _Writer:
        number, wa_id = number_id(self._chance.choice(NUMBERS)), f"44{self._chance.randrange(10**10):010}"
        return _Writer(number, wa_id, customer_id(number, "w", wa_id), None, known=False)

    def _write(self, writers: Sequence[_Writer], send: SendRecord, partition: int, homes: dict[str, _Home]) -> None:
        opened: dict[str, ConversationId] = {}
        for place in range(BATCH):
            by = writers[place % len(writers)]
            text = self._chance.choice("12") if self._chance.random() < 1 / 12 else GREETING
            fact = turn(by.number, by.wa_id, self._at, text, str(uuid4()))
            opening, conversation = None, by.conversation or opened.get(by.wa_id)
            if conversation is None:
                conversation = opened[by.wa_id] = conversation_id(fact.at, fact.id)
                opening = _opening(by, fact, self._events)
            homes[str(fact.id)] = _Home(str(by.customer), str(conversation), opening)
            send(FACT.dump_json(fact), fact.at, partition)


def _opening(by: _Writer, fact: CustomerTurn, topic: str) -> _Opening:
    """Returns what the rules make of the fact, as rows."""
    result = fold(CustomerHistory(by.customer, by.number), fact, FoldContext(DIRECTORY, fact.at))
    (conversation,) = result.history.conversations
    row = tuple(value for (value,) in columns.to_columns([conversation]))
    identity = None if by.known else (by.number, "w", by.wa_id, by.customer, fact.at)
    history = [
        (conversation.id, e.conversation.sequence, e.at, e.name, uuid_array(e.because), e.actor) for e in result.events
    ]
    records = [public_event_record(e, topic) for e in result.events]
    events = [(r.topic, r.key, to_json(r.headers).decode(), r.value) for r in records]
    return _Opening(row, identity, history, events)


def _ours(topic: BenchTopic, world: World, homes: Mapping[str, _Home]) -> float:
    group = f"{topic.topics.prefix}ours"
    _begin(topic, world, group)
    handler = partial(Conversations, topic.topics)
    return consumer_rate(topic.config, topic.name, world.dsn, group, len(homes), handler)


def _begin(topic: BenchTopic, world: World, group: str) -> None:
    """Sets the group's offsets to the beginning of the slice."""
    reader = GroupReader(topic.config.client_options(), group, [topic.name])
    with closing(reader), connect(world.dsn, "bench", autocommit=True) as connection:
        while len(reader.paused()) < len(topic.partitions):
            reader.poll(0.1)
        with connection.transaction():
            for partition, begin in zip(topic.partitions, topic.begins, strict=True):
                position = Position(reader.topic_id(topic.name), begin)
                Offsets(connection, group).start(Partition(*partition), position)


_ENTRIES = """
    insert into entries (input_id, sent_at, at, kind, wamid, body, detail, customer_id, conversation_id)
    select input_id::uuid, sent_at::timestamptz, at::timestamptz, kind, wamid, body, detail::json, customer_id::uuid,
      conversation_id::uuid
    from unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],
      %b::text[]) as t (input_id, sent_at, at, kind, wamid, body, detail, customer_id, conversation_id)
"""
_CUSTOMERS = "insert into customers (id) select unnest(%b::uuid[])"
_IDENTITIES = """
    insert into identities (phone_number_id, kind, value, customer_id, at)
    select phone_number_id, kind::"char", value, customer_id, at
    from unnest(%b::text[], %b::text[], %b::text[], %b::uuid[], %b::timestamptz[])
      as t (phone_number_id, kind, value, customer_id, at)
"""
_HISTORY = """
    insert into history (conversation_id, sequence, at, event, because, actor)
    select conversation_id, sequence, at, event, because::uuid[], actor
    from unnest(%b::uuid[], %b::integer[], %b::timestamptz[], %b::text[], %b::text[], %b::text[])
      as t (conversation_id, sequence, at, event, because, actor)
"""
_EVENTS = """
    insert into outbox (topic, key, headers, value) select topic, key, headers::json, value
    from unnest(%b::text[], %b::text[], %b::text[], %b::bytea[]) as t (topic, key, headers, value)
"""
_Insert = Callable[[Connection[Any], Sequence[bytes], Mapping[str, _Home]], None]


def _bare(topic: BenchTopic, world: World, homes: Mapping[str, _Home], insert: _Insert) -> float:
    begins = dict(zip(topic.partitions, topic.begins, strict=True))
    return bare_rate(
        topic.config,
        begins,
        world.dsn,
        f"{topic.topics.prefix}bare",
        len(homes),
        lambda connection, records: insert(connection, [record.value for record in records], homes),
    )


def _insert(connection: Connection[Any], values: Sequence[bytes], homes: Mapping[str, _Home]) -> None:
    """Inserts every row that the facts lead to."""
    facts = [from_json(value) for value in values]
    openings = [opening for fact in facts if (opening := homes[fact["id"]].opening) is not None]
    identities = [opening.identity for opening in openings if opening.identity is not None]
    with connection.pipeline():
        if identities:
            arrays = column_arrays(identities)
            connection.execute(_CUSTOMERS, [arrays[3]])
            connection.execute(_IDENTITIES, arrays)
        if openings:
            connection.execute(INSERT_CONVERSATIONS, column_arrays(opening.conversation for opening in openings))
        _insert_entries(connection, facts, homes)
        if openings:
            connection.execute(_HISTORY, column_arrays(row for opening in openings for row in opening.history))
            connection.execute(_EVENTS, column_arrays(row for opening in openings for row in opening.events))


def _insert_facts(connection: Connection[Any], values: Sequence[bytes], homes: Mapping[str, _Home]) -> None:
    """Inserts the facts alone."""
    _insert_entries(connection, [from_json(value) for value in values], homes)


def _insert_entries(connection: Connection[Any], facts: Sequence[Any], homes: Mapping[str, _Home]) -> None:
    rows = []
    for fact in facts:
        detail = to_json({name: fact[name] for name in ("phone_number_id", "customer", "type")}).decode()
        own = (fact["id"], fact["sent_at"], fact["at"], fact["kind"], fact["wamid"], fact["text"], detail)
        home = homes[fact["id"]]
        rows.append((*own, home.customer, home.conversation))
    connection.execute(_ENTRIES, column_arrays(rows))
