"""What the `conversations` consumer leaves of the speed that Kafka, PostgreSQL and Python have to give.

The ceiling is a loop that polls the same topic, reads the JSON and writes one `unnest` insert into the same `entries`
with its indexes, and the offset row, in one transaction a poll; to which conversation a fact belongs it is told for
nothing. The two work on equal slices of the topic in turn (A B A B ...), so whatever else the machine does meets both.
The consumer is one process as `witiop run conversations` starts it, with its threads; the loop is one thread, as a loop
is that somebody writes down in an hour.

The mix, in customers of a batch: 80 % have an active conversation (a day is mostly conversations under way) and write
into it, 12 % are known and open a new one, 8 % are new. One text in twelve is a choice of the menu. With 500 customers
in a batch of 500 each writes once, as in a quiet hour of many customers; with 60 each writes eight or nine times, as
when a backlog is worked off. Customers are drawn at random from all active conversations, and no two batches of a slice
share one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from itertools import islice
from random import Random
from statistics import median
from threading import Event as Flag
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple
from uuid import uuid4

from kafka import KafkaConsumer
from psycopg import Connection
from pydantic_core import from_json, to_json

from benchmarks.figures import Figure
from benchmarks.stories import GREETING, NUMBERS, number_id, turn
from benchmarks.topic import BenchTopic, Send
from benchmarks.world import World
from consumers.conversations import Conversations
from consumers.metrics import ConsumerMetrics
from consumers.processing import BatchLoop, PoisonLimit, SideBySide
from domain.facts import FACT
from domain.ids import conversation_id, customer_id
from infra.kafka.consumer import GroupReader
from infra.postgres.offsets import Offsets, Partition, Position
from infra.postgres.pool import connect
from infra.postgres.session import Session
from witiop.settings import Settings

BATCH = 500
"""Records of one poll."""

PAIRS = 7
"""How often the two take turns."""

_UNTIMED = 3
"""Batches at the begin of a slice before the clock starts: joining the group, first plans."""

_PARTITIONS = 6
_THREADS: int = Settings.model_fields["consumer_threads"].default

_TARGETS = {500: (0.25, 0.35), 60: (0.45, 0.60)}
"""Customers in a batch -> the least ratio, and the one to aim for."""


def measure(bootstrap: str, world: World, batches: int = 20) -> Iterator[Figure]:
    """The ratio for many and for few customers; each slice has this many timed batches."""
    for customers, (least, aim) in _TARGETS.items():
        ours, bare = _rates(bootstrap, world, customers, batches)
        ratios = sorted(one / other for one, other in zip(ours, bare, strict=True))
        yield Figure(
            what=f"consumer / bare loop, {customers} customers in {BATCH} records",
            value=f"{median(ratios):.2f}",
            target=f"at least {least:.2f}, aim {aim:.2f}",
            holds=median(ratios) >= least,
            meaning=f"{median(ours):,.0f} records/s of the consumer by {median(bare):,.0f} of the bare loop, "
            f"{world.conversations:,} conversations; median of {PAIRS} pairs, from {ratios[0]:.2f} to {ratios[-1]:.2f}",
        )


def _rates(bootstrap: str, world: World, customers: int, batches: int) -> tuple[list[float], list[float]]:
    """Records a second of the consumer and of the bare loop, pair by pair."""
    ours, bare = list[float](), list[float]()
    with BenchTopic(bootstrap, _PARTITIONS) as topic:
        traffic = _Traffic(world, customers)
        for _ in range(PAIRS):
            for rates, run in ((ours, _ours), (bare, _bare)):
                homes = traffic.publish(topic, _UNTIMED + batches)
                rates.append(run(topic, world, homes))
    return ours, bare


class _Home(NamedTuple):
    """Where a fact belongs, as the bare loop is told."""

    customer: str
    conversation: str


class _Writer(NamedTuple):
    """A customer who writes in a batch; `conversation` None: a new one."""

    number: str
    wa_id: str
    customer: str
    conversation: str | None


class _Traffic:
    """Turns, of `customers` different customers in every 500 that follow each other."""

    def __init__(self, world: World, customers: int) -> None:
        self._world = world
        self._known = customers * 12 // 100
        self._new = customers * 8 // 100
        self._busy = customers - self._known - self._new
        self._chance = Random()
        self._at = world.now

    def publish(self, topic: BenchTopic, batches: int) -> Mapping[str, _Home]:
        """Writes a slice to the topic; returns where each fact of it belongs."""
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
                self._write(writers, send, batch % _PARTITIONS, homes)
        return homes

    def _stranger(self) -> _Writer:
        number, wa_id = number_id(self._chance.choice(NUMBERS)), f"44{self._chance.randrange(10**10):010}"
        return _Writer(number, wa_id, str(customer_id(number, "w", wa_id)), None)

    def _write(self, writers: Sequence[_Writer], send: Send, partition: int, homes: dict[str, _Home]) -> None:
        opened: dict[str, str] = {}
        for place in range(BATCH):
            by = writers[place % len(writers)]
            text = self._chance.choice("12") if self._chance.random() < 1 / 12 else GREETING
            fact = turn(by.number, by.wa_id, self._at, text, str(uuid4()))
            home = by.conversation or opened.setdefault(by.wa_id, str(conversation_id(fact.at, fact.id)))
            homes[str(fact.id)] = _Home(by.customer, home)
            send(FACT.dump_json(fact), fact.at, partition)


class _Clock(ConsumerMetrics):
    """Takes the time of a slice, from the end of its untimed batches to the end of its last commit."""

    def __init__(self, group: str, records: int) -> None:
        super().__init__(group)
        self.over = Flag()
        self.rate = 0.0
        self._left = records
        self._timed = records - _UNTIMED * BATCH
        self._began = 0.0
        self._lock = Lock()

    def batch(self, records: int, seconds: float = 0, set_aside: int = 0) -> None:
        """They are committed."""
        super().batch(records, seconds, set_aside)
        assert set_aside == 0
        with self._lock:
            self._left -= records
            if not self._began and self._left <= self._timed:
                self._timed, self._began = self._left, monotonic()
            if self._left == 0:
                self.rate = self._timed / (monotonic() - self._began)
                self.over.set()


def _ours(topic: BenchTopic, world: World, homes: Mapping[str, _Home]) -> float:
    group = f"{topic.topics.prefix}ours"
    clock, limit = _Clock(group, len(homes)), PoisonLimit()
    _begin(topic, world, group)
    with ExitStack() as open_to_the_end:
        loops = []
        for _ in range(_THREADS):
            session = open_to_the_end.enter_context(closing(Session(world.dsn, "bench")))
            reader = GroupReader(topic.config.client_options(), group, [topic.name])
            loops.append(BatchLoop(reader, session.transaction, group, Conversations(topic.topics), clock, limit))
        SideBySide(loops).run(clock.over)
    return clock.rate


def _begin(topic: BenchTopic, world: World, group: str) -> None:
    """The group stands where the slice begins."""
    reader = GroupReader(topic.config.client_options(), group, [topic.name])
    with closing(reader), connect(world.dsn, "bench", autocommit=True) as connection:
        while len(reader.silent()) < len(topic.partitions):
            reader.poll(0.1)
        with connection.transaction():
            for partition, begin in zip(topic.partitions, topic.begins, strict=True):
                position = Position(reader.topic_id(topic.name), begin)
                Offsets(connection, group).start(Partition(*partition), position, 0)


_BARE_SETTINGS: dict[str, Any] = {
    "enable_auto_commit": False,
    "max_poll_records": BATCH,
    "fetch_max_bytes": 8 * 1024 * 1024,
    "max_partition_fetch_bytes": 4 * 1024 * 1024,
    "metrics_enabled": False,
}

_BARE_INSERT = """
    insert into entries (input_id, sent_at, at, kind, wamid, body, detail, customer_id, conversation_id)
    select input_id::uuid, sent_at::timestamptz, at::timestamptz, kind, wamid, body, detail::json, customer_id::uuid,
      conversation_id::uuid
    from unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],
      %b::text[]) as t (input_id, sent_at, at, kind, wamid, body, detail, customer_id, conversation_id)
"""


def _bare(topic: BenchTopic, world: World, homes: Mapping[str, _Home]) -> float:
    group = f"{topic.topics.prefix}bare"
    clock = _Clock(group, len(homes))
    consumer: Any = KafkaConsumer(**topic.config.client_options(), **_BARE_SETTINGS)  # type: ignore[no-untyped-call]
    with closing(consumer), connect(world.dsn, "bench", autocommit=True) as connection:
        with connection.transaction():
            for partition, begin in zip(topic.partitions, topic.begins, strict=True):
                Offsets(connection, group).start(Partition(*partition), Position("", begin), 0)
        consumer.assign(topic.partitions)
        for partition, begin in zip(topic.partitions, topic.begins, strict=True):
            consumer.seek(partition, begin)
        while not clock.over.is_set():
            for records in consumer.poll(timeout_ms=500).values():
                with connection.transaction():
                    _insert(connection, [record.value for record in records], homes)
                    connection.execute(
                        "update consumer_offsets set next_offset = %s where group_name = %s and partition = %s",
                        [records[-1].offset + 1, group, records[-1].partition],
                    )
                clock.batch(len(records))
    return clock.rate


def _insert(connection: Connection[Any], values: Sequence[bytes], homes: Mapping[str, _Home]) -> None:
    rows = []
    for value in values:
        fact = from_json(value)
        detail = to_json({name: fact[name] for name in ("phone_number_id", "customer", "type")}).decode()
        own = (fact["id"], fact["sent_at"], fact["at"], fact["kind"], fact["wamid"], fact["text"], detail)
        rows.append((*own, *homes[fact["id"]]))
    connection.execute(_BARE_INSERT, [list(column) for column in zip(*rows, strict=True)])
