"""What the `commands` consumer leaves of the speed that Kafka, PostgreSQL and Python have to give, and how long a
command takes to its result.

The ceiling is a loop that polls the same kind of topic, reads headers and JSON of each record and writes one `unnest`
insert into the same `command_audit` with its indexes, and the offset row, in one transaction a poll: what anybody who
keeps a command at all must do. The two work on equal slices in turn (A B A B ...), so whatever else the machine does
meets both.

The mix: transfers of active conversations that nobody has, and recalls of what was handed over a little before, one of
each in turn, as of administrators who work a list off and change their minds. Half of the transfers are immediate, to
one of 200 agents who are ready, half are exclusive, to a skillset of all of them. All are signed and none is refused:
a command that changes something costs most. So a batch of 500 touches about 500 different conversations.

The time to the result is taken in an open loop with the real processes `commands` and `relay`: from the moment a
command was due to be sent until its result was read from the topic of the results.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from statistics import median
from threading import Event as Flag
from threading import Thread
from time import monotonic, sleep
from typing import Any
from uuid import UUID, uuid4

import psycopg
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from pydantic_core import from_json

from benchmarks.company import AGENTS, SKILLSETS, agents_ready, company, customers_write
from benchmarks.figures import Figure, percentile
from consumers.commands import Commands
from consumers.processing import BatchLoop, PoisonLimit
from domain.commands import Recall, Target, Transfer, command, signed
from domain.mail import Policy
from domain.ports import Record
from domain.topics import Topics
from domain.transfers import Terms
from infra.clock import utc_now
from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import GroupReader
from infra.local.postgres import LocalPostgres
from infra.postgres.offsets import Offsets, Partition, Position
from infra.postgres.pool import connect
from infra.postgres.session import Session
from infra.postgres.statements import columns
from infra.ses.addresses import address
from tests.support.kafka_topics import new_topics
from tests.support.system import COMMAND_SECRET, System

BATCH = 500
"""Records of one poll."""

PAIRS = 7
"""How often the two take turns."""

CONVERSATIONS = 10_000

RATE = 100
"""Commands a second of which the time to the result is taken."""

_SECRET = COMMAND_SECRET.encode()
_UNTIMED = 3
"""Batches at the begin of a slice before the clock starts: joining the group, first plans."""
_LEAST = 0.4
_PARTITIONS = 6
_DRAIN_SECONDS = 20.0


def measure(bootstrap: str, server: LocalPostgres, batches: int = 10) -> Iterator[Figure]:
    """The ratio; each slice has this many timed batches."""
    ours, bare = list[float](), list[float]()
    config = KafkaConfig((bootstrap,))
    with company(server) as dsn:
        conversations = customers_write(dsn, CONVERSATIONS)
        carried_out, kept = (_Traffic(new_topics(bootstrap, 1), conversations, BATCH // 2) for _ in range(2))
        for _ in range(PAIRS):
            agents_ready(dsn)
            for rates, run, traffic in ((ours, _ours, carried_out), (bare, _bare, kept)):
                records = list(islice(traffic, (_UNTIMED + batches) * BATCH))
                _publish(config, records)
                rates.append(run(config, traffic.topics, dsn, len(records)))
        _assert_applied(dsn, carried_out.topics)
    ratios = sorted(one / other for one, other in zip(ours, bare, strict=True))
    yield Figure(
        what=f"commands / bare loop, {BATCH} in a batch",
        value=f"{median(ratios):.2f}",
        target=f"at least {_LEAST:.2f}",
        holds=median(ratios) >= _LEAST,
        meaning=f"{median(ours):,.0f} commands/s of the consumer by {median(bare):,.0f} of the bare loop, "
        f"{CONVERSATIONS:,} conversations; median of {PAIRS} pairs, from {ratios[0]:.2f} to {ratios[-1]:.2f}",
    )


def results(bootstrap: str, server: LocalPostgres, directory: Path, seconds: float = 20) -> Iterator[Figure]:
    """The time to the result, at a steady rate for so long. Logs of the processes go to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    topics = new_topics(bootstrap, _PARTITIONS)
    with company(server) as dsn, System(bootstrap, dsn, topics, directory) as system:
        traffic = _Traffic(topics, customers_write(dsn, CONVERSATIONS), RATE)
        agents_ready(dsn)
        system.run("commands", "relay")
        _until_results(bootstrap, traffic, RATE)  # first plans, first connections
        times = _until_results(bootstrap, traffic, int(RATE * seconds))
        _assert_applied(dsn, topics)
    yield Figure(
        what=f"command to result at {RATE} commands/s",
        value=f"p50 {percentile(times, 50) * 1000:,.0f} ms, p99 {percentile(times, 99) * 1000:,.0f} ms",
        meaning=f"{len(times):,} commands in an open loop, from when each was due to when its result was read; one "
        f"process each of commands and relay; the longest {times[-1] * 1000:,.0f} ms",
    )


class _Traffic:
    """Endless commands, each signed when it is taken; the recall of a transfer comes `back` transfers after it."""

    def __init__(self, topics: Topics, conversations: Sequence[UUID], back: int) -> None:
        self.topics = topics
        self._conversations = conversations
        self._back = back
        self._bodies = self._mix()

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        now = utc_now()
        asked = command(
            next(self._bodies),
            id_=str(uuid4()),
            source="/bench",
            issuer="administrator",
            at=now,
            expires_at=now + timedelta(hours=1),
        )
        return signed(asked, self.topics.commands, _SECRET)

    def _mix(self) -> Iterator[Transfer | Recall]:
        for place in count():
            one = self._conversations[place % len(self._conversations)]
            if place % 2:
                target = Target(kind="skillset", id=SKILLSETS[place // 2 % len(SKILLSETS)])
                yield Transfer(conversation_id=one, target=target, mode="exclusive")
            else:
                target = Target(kind="user", id=AGENTS[place // 2 % len(AGENTS)])
                yield Transfer(conversation_id=one, target=target, mode="immediate")
            if place >= self._back:
                yield Recall(conversation_id=self._conversations[(place - self._back) % len(self._conversations)])


class _Clock:
    """Takes the time of a slice, from the end of its untimed batches to the end of its last commit. Stands where the
    consumer's metrics stand."""

    def __init__(self, records: int) -> None:
        self.over = Flag()
        self._left = records
        self._timed = records - _UNTIMED * BATCH
        self._began = 0.0
        self.rate = 0.0

    def batch(self, records: int, seconds: float = 0, set_aside: int = 0) -> None:
        """They are committed."""
        assert set_aside == 0
        self._left -= records
        if not self._began and self._left <= self._timed:
            self._timed, self._began = self._left, monotonic()
        if self._left == 0:
            self.rate = self._timed / (monotonic() - self._began)
            self.over.set()

    def lost(self, records: int) -> None:
        raise AssertionError("the broker deleted records")

    def lag(self, topic: str, partition: int, records: int) -> None:
        """Not of interest."""


def _ours(config: KafkaConfig, topics: Topics, dsn: str, records: int) -> float:
    """Commands a second. Where the last slice ended, PostgreSQL knows."""
    clock = _Clock(records)
    group = f"{topics.prefix}ours"
    handler = Commands(topics, [_SECRET], Terms(offer=timedelta(hours=1)), Policy(address))
    with closing(Session(dsn, "bench")) as session:
        reader = GroupReader(config.client_options(), group, [topics.commands])
        BatchLoop(reader, session.transaction, group, handler, clock, PoisonLimit()).run(clock.over)  # type: ignore[arg-type]
    return clock.rate


_BARE_SETTINGS: dict[str, Any] = {
    "enable_auto_commit": False,
    "max_poll_records": BATCH,
    "fetch_max_bytes": 8 * 1024 * 1024,
    "max_partition_fetch_bytes": 4 * 1024 * 1024,
    "metrics_enabled": False,
}

_BARE_INSERT = """
    insert into command_audit (topic, partition, "offset", received_at, command_id, type, source, issuer, outcome,
      conversation_id)
    select topic, partition, "offset", to_timestamp(at / 1000.0), command_id, type, source, issuer, 'applied',
      conversation_id::uuid
    from unnest(%b::text[], %b::integer[], %b::bigint[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::text[],
      %b::text[]) as t (topic, partition, "offset", at, command_id, type, source, issuer, conversation_id)
"""


def _bare(config: KafkaConfig, topics: Topics, dsn: str, records: int) -> float:
    """Records a second. A slice ends where the topic ends."""
    clock = _Clock(records)
    group = f"{topics.prefix}bare"
    partition = TopicPartition(topics.commands, 0)
    consumer: Any = KafkaConsumer(**config.client_options(), **_BARE_SETTINGS)  # type: ignore[no-untyped-call]
    with closing(consumer), connect(dsn, "bench", autocommit=True) as connection:
        begin = consumer.end_offsets([partition])[partition] - records
        with connection.transaction():
            Offsets(connection, group).start(Partition(*partition), Position("", begin), 0)
        consumer.assign([partition])
        consumer.seek(partition, begin)
        while not clock.over.is_set():
            for polled in consumer.poll(timeout_ms=500).values():
                with connection.transaction():
                    connection.execute(_BARE_INSERT, columns(map(_bare_row, polled)))
                    connection.execute(
                        "update consumer_offsets set next_offset = %s where group_name = %s",
                        [polled[-1].offset + 1, group],
                    )
                clock.batch(len(polled))
    return clock.rate


def _bare_row(record: Any) -> tuple[Any, ...]:  # noqa: ANN401 - kafka-python has no types
    headers = {name: value.decode() for name, value in record.headers}
    told = (headers["ce_id"], headers["ce_type"], headers["ce_source"], headers["witiop_issuer"])
    place = (record.topic, record.partition, record.offset, record.timestamp)
    return (*place, *told, from_json(record.value)["conversation_id"])


def _publish(config: KafkaConfig, records: Sequence[Record]) -> None:
    """All are on the broker afterwards."""
    producer: Any = KafkaProducer(  # type: ignore[no-untyped-call]
        **config.client_options(), acks="all", compression_type="gzip", linger_ms=20, enable_idempotence=False
    )
    with closing(producer):
        for record in records:
            _put(producer, record)
        producer.flush()


def _put(producer: Any, record: Record) -> None:  # noqa: ANN401 - kafka-python has no types
    key = record.key and record.key.encode()
    producer.send(record.topic, record.value, key, list(record.headers))


def _assert_applied(dsn: str, topics: Topics) -> None:
    """What was refused would have been cheaper than what was to be measured."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select distinct outcome, reason from command_audit where topic = %s", [topics.commands]
        ).fetchall()
    assert rows == [("applied", None)], rows


def _until_results(bootstrap: str, traffic: _Traffic, how_many: int) -> list[float]:
    """Seconds to the result of each command, in ascending order."""
    options = KafkaConfig((bootstrap,)).client_options()
    due: dict[str, float] = {}
    read: dict[str, float] = {}
    topic = traffic.topics.results
    consumer: Any = KafkaConsumer(**options, enable_auto_commit=False)  # type: ignore[no-untyped-call]
    producer: Any = KafkaProducer(**options, acks="all")  # type: ignore[no-untyped-call]
    with closing(consumer), closing(producer):
        consumer.assign([TopicPartition(topic, place) for place in range(_PARTITIONS)])
        consumer.seek_to_end()
        for partition in consumer.assignment():
            consumer.position(partition)
        sender = Thread(target=_send, args=(producer, traffic, how_many, due))
        sender.start()
        until = monotonic() + how_many / RATE + _DRAIN_SECONDS
        while len(read) < how_many:
            assert monotonic() < until, f"{how_many - len(read)} commands without a result"
            for records in consumer.poll(timeout_ms=100).values():
                now = monotonic()
                read |= {from_json(record.value)["command_id"]: now for record in records}
        sender.join()
    return sorted(read[name] - at for name, at in due.items())


def _send(producer: Any, traffic: _Traffic, how_many: int, due: dict[str, float]) -> None:  # noqa: ANN401
    """At the rate, whatever became of those before; writes down when each was due."""
    began = monotonic()
    for place, record in enumerate(islice(traffic, how_many)):
        at = began + place / RATE
        sleep(max(0.0, at - monotonic()))
        due[dict(record.headers)["ce_id"].decode()] = at
        _put(producer, record)
    producer.flush()
