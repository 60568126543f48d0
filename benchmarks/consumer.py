"""Measures the `conversations` consumer against the possible speed of Kafka, PostgreSQL and Python.

The ceiling is a loop that polls the same topic, parses the JSON, writes one `unnest` insert into the same `entries`
table with its indexes and updates the offset, in one transaction per poll. It is given the conversation of each fact at
no cost. The two run alternately, see `benchmarks.setup.slices`.

The mix, by customers of a batch: 80 % write into their active conversation (most traffic of a day is in conversations
under way), 12 % are known and open a new one, 8 % are new. One text in twelve is a menu choice. With 500 customers in a
batch of 500 each writes once, as in a quiet hour of many customers; with 60 each writes eight or nine times, as when a
backlog is processed. Customers are chosen at random among all active conversations, and no two batches of a slice share
a customer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
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
from benchmarks.setup.stories import GREETING, NUMBERS, number_id, turn
from benchmarks.setup.topic import BenchTopic, SendRecord
from benchmarks.setup.world import World
from consumers.handlers.conversations import Conversations
from domain.facts import FACT
from domain.ids import conversation_id, customer_id
from infra.kafka.consumer import GroupReader
from infra.postgres.connections.pool import connect
from infra.postgres.messaging.offsets import Offsets, Partition, Position

_TARGETS = {500: (0.25, 0.35), 60: (0.45, 0.60)}
"""Minimum ratio and desired ratio, by customers in a batch."""


def measure(bootstrap: str, world: World, batches: int = 20) -> Iterator[Figure]:
    """Yields the ratios for many and for few customers. `batches` is the number of timed batches per slice."""
    for customers, (least, aim) in _TARGETS.items():
        yield ratio(
            f"consumer / bare loop, {customers} customers in {BATCH} records",
            "records",
            _rates(bootstrap, world, customers, batches),
            least,
            f", aim {aim:.2f}",
            f"{world.conversations:,} conversations",
        )


def _rates(bootstrap: str, world: World, customers: int, batches: int) -> list[tuple[float, float]]:
    """Returns pairs of records per second, of the consumer and of the bare loop."""
    with BenchTopic(bootstrap, PARTITIONS) as topic:
        traffic = _Traffic(world, customers)

        def rate(run: Callable[[BenchTopic, World, Mapping[str, _Home]], float]) -> float:
            return run(topic, world, traffic.publish(topic, UNTIMED + batches))

        return [(rate(_ours), rate(_bare)) for _ in range(PAIRS)]


class _Home(NamedTuple):
    """The customer and conversation of a fact, for the bare loop."""

    customer: str
    conversation: str


class _Writer(NamedTuple):
    """A customer who writes in a batch; `conversation` is None for a new one."""

    number: str
    wa_id: str
    customer: str
    conversation: str | None


class _Traffic:
    """Customer turns, with `customers` different customers in every 500 consecutive records."""

    def __init__(self, world: World, customers: int) -> None:
        self._world = world
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
                    _Writer(c.phone_number_id, c.wa_id, str(c.customer_id), str(c.id))
                    for c in islice(active, self._busy)
                ]
                writers += [
                    _Writer(c.phone_number_id, c.wa_id, str(c.customer_id), None) for c in islice(quiet, self._known)
                ]
                writers += [self._stranger() for _ in range(self._new)]
                self._write(writers, send, batch % PARTITIONS, homes)
        return homes

    def _stranger(self) -> _Writer:
        number, wa_id = number_id(self._chance.choice(NUMBERS)), f"44{self._chance.randrange(10**10):010}"
        return _Writer(number, wa_id, str(customer_id(number, "w", wa_id)), None)

    def _write(self, writers: Sequence[_Writer], send: SendRecord, partition: int, homes: dict[str, _Home]) -> None:
        opened: dict[str, str] = {}
        for place in range(BATCH):
            by = writers[place % len(writers)]
            text = self._chance.choice("12") if self._chance.random() < 1 / 12 else GREETING
            fact = turn(by.number, by.wa_id, self._at, text, str(uuid4()))
            home = by.conversation or opened.setdefault(by.wa_id, str(conversation_id(fact.at, fact.id)))
            homes[str(fact.id)] = _Home(by.customer, home)
            send(FACT.dump_json(fact), fact.at, partition)


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


_BARE_INSERT = """
    insert into entries (input_id, sent_at, at, kind, wamid, body, detail, customer_id, conversation_id)
    select input_id::uuid, sent_at::timestamptz, at::timestamptz, kind, wamid, body, detail::json, customer_id::uuid,
      conversation_id::uuid
    from unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],
      %b::text[]) as t (input_id, sent_at, at, kind, wamid, body, detail, customer_id, conversation_id)
"""


def _bare(topic: BenchTopic, world: World, homes: Mapping[str, _Home]) -> float:
    def insert(connection: Connection[Any], records: Sequence[Any]) -> None:
        _insert(connection, [record.value for record in records], homes)

    begins = dict(zip(topic.partitions, topic.begins, strict=True))
    return bare_rate(topic.config, begins, world.dsn, f"{topic.topics.prefix}bare", len(homes), insert)


def _insert(connection: Connection[Any], values: Sequence[bytes], homes: Mapping[str, _Home]) -> None:
    rows = []
    for value in values:
        fact = from_json(value)
        detail = to_json({name: fact[name] for name in ("phone_number_id", "customer", "type")}).decode()
        own = (fact["id"], fact["sent_at"], fact["at"], fact["kind"], fact["wamid"], fact["text"], detail)
        rows.append((*own, *homes[fact["id"]]))
    connection.execute(_BARE_INSERT, [list(column) for column in zip(*rows, strict=True)])
