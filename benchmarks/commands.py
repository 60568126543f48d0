"""Measures the `commands` consumer against the possible speed of Kafka, PostgreSQL and Python, and the time from a
command to its result.

The ceiling is a loop that polls the same kind of topic, parses the headers and the JSON of each record and inserts
every row that the consumer inserts for these commands: their ids, which identify repeats, their audit rows, their
results in the outbox, their history and their public events. It uses one `unnest` insert per table, with the same
tables and indexes, and updates the offset. It checks nothing, locks nothing and changes no conversation
(docs/decisions/0009). A second ratio compares with a loop that inserts only the rows of a rejected command: id, audit
and result. The loops run alternately, see `benchmarks.setup.slices`.

The mix: transfers of active conversations without an owner alternate with recalls of earlier transfers, as when
administrators work through a list and change their minds. Half of the transfers are immediate, to one of 200 ready
agents; half are exclusive, to a skillset that all of them have. All commands are signed and none is rejected, because a
command that changes something costs most. A batch of 500 touches about 500 different conversations.

The time to the result is measured in an open loop with the real processes `commands` and `relay`: from the moment a
command was due to be sent until its result was read from the results topic.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count, islice
from pathlib import Path
from time import monotonic, time
from typing import Any
from uuid import UUID, uuid4

import psycopg
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from psycopg import Connection
from pydantic_core import from_json, to_json

from benchmarks.figures import Figure, percentile
from benchmarks.setup.company import AGENTS, SKILLSETS, agents_ready, company, customers_write
from benchmarks.setup.open_loop import put, send_at_rate
from benchmarks.setup.slices import BATCH, PAIRS, PARTITIONS, UNTIMED, bare_rate, consumer_rate, ratio
from benchmarks.setup.stories import GREETING, number_id
from consumers.handlers.commands import Commands
from domain.command_bodies.parts import Target
from domain.commands import Recall, Transfer, new_command, signed
from domain.ids import result_id
from domain.mail import MailPolicy
from domain.ports import OutgoingRecord
from domain.routing.transfers import RoutingPolicy
from domain.topics import Topics
from infra.kafka.config import KafkaConfig
from infra.local.postgres import LocalPostgres
from infra.postgres.connections.arrays import column_arrays
from infra.process.clock import utc_now
from infra.ses.addresses import address
from tests.support.kafka_topics import new_topics
from tests.support.system import COMMAND_SECRET, System

CONVERSATIONS = 10_000

RATE = 100
"""Commands per second while the time to the result is measured."""

_SECRET = COMMAND_SECRET.encode()
_LEAST = 0.4
_DRAIN_SECONDS = 20.0


def measure(bootstrap: str, server: LocalPostgres, batches: int = 10) -> Iterator[Figure]:
    """Yields the ratios. `batches` is the number of timed batches per slice."""
    config = KafkaConfig((bootstrap,))
    rates: list[tuple[float, float, float]] = []
    with company(server) as dsn:
        conversations = customers_write(dsn, CONVERSATIONS)
        ours, complete, rejected = (
            _Traffic(new_topics(bootstrap, PARTITIONS), conversations, BATCH // 2) for _ in range(3)
        )
        for _ in range(PAIRS):
            agents_ready(dsn)
            published = [_publish(config, each, (UNTIMED + batches) * BATCH) for each in (ours, complete, rejected)]
            rates.append(
                (
                    _ours(config, ours.topics, dsn, published[0]),
                    _bare(config, complete.topics, dsn, published[1], _insert_all),
                    _bare(config, rejected.topics, dsn, published[2], _insert_rejected),
                )
            )
        _assert_applied(dsn, ours.topics)
    name, mix = "commands / bare loop", f"{CONVERSATIONS:,} conversations"
    yield ratio(f"{name}, {BATCH} in a batch", "commands", [(mine, bare) for mine, bare, _ in rates], _LEAST, "", mix)
    least = ratio(
        f"{name} that writes what rejected commands leave, {BATCH} in a batch",
        "commands",
        [(mine, bare) for mine, _, bare in rates],
        0,
        "",
        mix,
    )
    yield replace(least, target="", holds=None)


def results(bootstrap: str, server: LocalPostgres, directory: Path, seconds: float = 20) -> Iterator[Figure]:
    """Yields the time to the result, at a steady rate for `seconds`. The processes log to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    topics = new_topics(bootstrap, PARTITIONS)
    with company(server) as dsn, System(bootstrap, dsn, topics, directory) as system:
        traffic = _Traffic(topics, customers_write(dsn, CONVERSATIONS), RATE)
        agents_ready(dsn)
        system.run("commands", "relay")
        _until_results(bootstrap, traffic, RATE)  # warm-up: query plans and connections
        times = _until_results(bootstrap, traffic, int(RATE * seconds))
        _assert_applied(dsn, topics)
    yield Figure(
        what=f"command to result at {RATE} commands/s",
        value=f"p50 {percentile(times, 50) * 1000:,.0f} ms, p99 {percentile(times, 99) * 1000:,.0f} ms",
        meaning=f"{len(times):,} commands in an open loop, from when each was due to when its result was read; one "
        f"process each of commands and relay; longest {times[-1] * 1000:,.0f} ms",
    )


class _Traffic:
    """Endless commands, signed when they are requested. A transfer is recalled `back` transfers later."""

    def __init__(self, topics: Topics, conversations: Sequence[UUID], back: int) -> None:
        self.topics = topics
        self._conversations = conversations
        self._back = back
        self._bodies = self._mix()

    def __iter__(self) -> Iterator[OutgoingRecord]:
        return self

    def __next__(self) -> OutgoingRecord:
        now = utc_now()
        command = new_command(
            next(self._bodies),
            id_=str(uuid4()),
            source="/bench",
            issuer="administrator",
            at=now,
            expires_at=now + timedelta(hours=1),
        )
        return signed(command, self.topics.commands, _SECRET)

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


def _publish(config: KafkaConfig, traffic: _Traffic, how_many: int) -> dict[TopicPartition, range]:
    """Publishes this many commands and returns their offsets."""
    options = config.client_options()
    partitions = [TopicPartition(traffic.topics.commands, number) for number in range(PARTITIONS)]
    producer: Any = KafkaProducer(  # type: ignore[no-untyped-call]
        **options, acks="all", compression_type="gzip", linger_ms=20, enable_idempotence=False
    )
    consumer: Any = KafkaConsumer(**options, enable_auto_commit=False)  # type: ignore[no-untyped-call]
    with closing(producer), closing(consumer):
        begins = consumer.end_offsets(partitions)
        for record in islice(traffic, how_many):
            put(producer, record)
        producer.flush()
        ends = consumer.end_offsets(partitions)
    return {partition: range(begins[partition], ends[partition]) for partition in partitions}


def _ours(config: KafkaConfig, topics: Topics, dsn: str, published: Mapping[TopicPartition, range]) -> float:
    """Returns commands per second. The group continues at its offsets in PostgreSQL, where its last slice ended."""
    handler = partial(Commands, topics, [_SECRET], RoutingPolicy(offer=timedelta(hours=1)), MailPolicy(address))
    records = sum(map(len, published.values()))
    return consumer_rate(config, topics.commands, dsn, f"{topics.prefix}ours", records, handler)


_BARE_AUDIT = """
    insert into command_audit (topic, partition, "offset", received_at, command_id, type, source, issuer, outcome,
      conversation_id)
    select topic, partition, "offset", to_timestamp(at / 1000.0), command_id, type, source, issuer, 'applied',
      conversation_id::uuid
    from unnest(%b::text[], %b::integer[], %b::bigint[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::text[],
      %b::text[]) as t (topic, partition, "offset", at, command_id, type, source, issuer, conversation_id)
"""
_BARE_RESULTS = """
    insert into outbox (topic, key, headers, value) select topic, key, headers::json, value
    from unnest(%b::text[], %b::text[], %b::text[], %b::bytea[]) as t (topic, key, headers, value)
"""


_BARE_HISTORY = """
    insert into history (conversation_id, sequence, at, event, because, actor)
    select conversation_id::uuid, sequence, to_timestamp(at / 1000.0), event, array[because::uuid], actor
    from unnest(%b::text[], %b::integer[], %b::bigint[], %b::text[], %b::text[], %b::text[])
      as t (conversation_id, sequence, at, event, because, actor)
"""

_Insert = Callable[[Connection[Any], Sequence[Any], str], None]


def _bare(
    config: KafkaConfig, topics: Topics, dsn: str, published: Mapping[TopicPartition, range], insert: _Insert
) -> float:
    begins = {partition: offsets.start for partition, offsets in published.items()}
    records = sum(map(len, published.values()))
    return bare_rate(
        config, begins, dsn, f"{topics.prefix}bare", records, lambda conn, polled: insert(conn, polled, topics.results)
    )


def _insert_rejected(connection: Connection[Any], records: Sequence[Any], topic: str) -> None:
    """Inserts the rows of every command, applied or rejected."""
    audit, results = zip(*(_bare_rows(record, topic) for record in records), strict=True)
    ids = [row[4] for row in audit]
    connection.execute("insert into commands (id) select unnest(%b::text[]) on conflict do nothing", [ids])
    connection.execute(_BARE_AUDIT, column_arrays(audit))
    connection.execute(_BARE_RESULTS, column_arrays(results))


def _insert_all(connection: Connection[Any], records: Sequence[Any], topic: str) -> None:
    """Inserts the rows of applied commands."""
    _insert_rejected(connection, records, topic)
    history, events = zip(*(rows for record in records for rows in _bare_events(record, topic)), strict=True)
    connection.execute(_BARE_HISTORY, column_arrays(history))
    connection.execute(_BARE_RESULTS, column_arrays(events))


def _bare_events(record: Any, topic: str) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:  # noqa: ANN401 - as above
    """Yields the history and outbox rows: one for a transfer, two for a recall, built from the record alone."""
    decoded = {name: value.decode() for name, value in record.headers}
    conversation, at = from_json(record.value)["conversation_id"], decoded["ce_time"]
    cause, actor = str(result_id(decoded["ce_id"])), decoded["witiop_issuer"]
    names = ("reserved",) if decoded["ce_type"] == "witiop.command.transfer.v1" else ("released", "became_unmanaged")
    for place, name in enumerate(names):
        sequence = -(2 * record.offset + place + 1)  # negative, to differ from the consumer's
        headers = {
            "ce_specversion": "1.0",
            "ce_id": cause,
            "ce_type": f"witiop.conversation.{name}.v1",
            "ce_source": "/bench",
            "ce_time": at,
            "ce_sequence": str(sequence),
            "content-type": "application/json",
        }
        row = {
            "id": conversation,
            "phone_number_id": number_id(0),
            "customer": {"wa_id": "390000000000", "user_id": None, "name": None},
            "status": "active",
            "reason": None,
            "last_text": GREETING,
            "last_at": at,
            "opened_at": at,
            "window_ends_at": at,
            "closed_at": None,
            "owner": {"kind": "skillset", "id": SKILLSETS[0], "state": "reserved", "until": at},
            "entries": 1,
            "version": 1,
            "sequence": sequence,
            "because": [cause],
            "actor": actor,
        }
        yield (
            (conversation, sequence, record.timestamp, name, cause, actor),
            (topic, conversation, to_json(headers).decode(), to_json(row)),
        )


def _bare_rows(record: Any, topic: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:  # noqa: ANN401 - kafka-python has no types
    """Returns the audit row and the outbox row."""
    decoded = {name: value.decode() for name, value in record.headers}
    conversation, command = from_json(record.value)["conversation_id"], decoded["ce_id"]
    place = (record.topic, record.partition, record.offset, record.timestamp)
    headers = {
        "ce_specversion": "1.0",
        "ce_id": str(result_id(command)),
        "ce_type": "witiop.command.result.v1",
        "ce_source": "/bench",
        "ce_time": decoded["ce_time"],
        "content-type": "application/json",
    }
    result = {
        "command_id": command,
        "outcome": "applied",
        "reason": None,
        "conversation_id": conversation,
        "version": 1,
    }
    return (
        (*place, command, decoded["ce_type"], decoded["ce_source"], decoded["witiop_issuer"], conversation),
        (topic, conversation, to_json(headers).decode(), to_json(result)),
    )


def _assert_applied(dsn: str, topics: Topics) -> None:
    """Checks that no command was rejected: those would have been cheaper."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select distinct outcome, reason from command_audit where topic = %s", [topics.commands]
        ).fetchall()
    assert rows == [("applied", None)], rows


def _until_results(bootstrap: str, traffic: _Traffic, how_many: int) -> list[float]:
    """Sends commands and returns the seconds to each result, in ascending order."""
    config = KafkaConfig((bootstrap,))
    read: dict[str, float] = {}
    topic = traffic.topics.results
    consumer: Any = KafkaConsumer(**config.client_options(), enable_auto_commit=False)  # type: ignore[no-untyped-call]
    with closing(consumer), ThreadPoolExecutor(1) as thread:
        consumer.assign([TopicPartition(topic, place) for place in range(PARTITIONS)])
        consumer.seek_to_end()
        for partition in consumer.assignment():
            consumer.position(partition)
        sending = thread.submit(send_at_rate, config, islice(traffic, how_many), RATE)
        deadline = monotonic() + how_many / RATE + _DRAIN_SECONDS
        while len(read) < how_many:
            assert monotonic() < deadline, f"{how_many - len(read)} commands without a result"
            for records in consumer.poll(timeout_ms=100).values():
                now = time()
                read |= {from_json(record.value)["command_id"]: now for record in records}
        due = sending.result()
    return sorted(read[name] - at for name, at in due.items())
