"""Measures how the consumers' throughput grows with partitions, processes and numbers, and how many bytes an update
takes.

The updates of 5,000 customers, a message and three statuses of its answer each, lie on the inbound topic before the
consumers start. The rate is measured from the first commit to the last one, so it leaves out the start of processes.
On a machine with few cores it says what each update costs and where more processes stop to help; not what more machines
would do, which docs/scaling.md computes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import psutil
import psycopg
from psycopg import Connection

from benchmarks.figures import Figure
from domain.facts import Fact
from domain.inbound.whatsapp import reader
from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres
from infra.local.simulator.bodies import BusinessNumber
from infra.local.simulator.traffic import Mix, Traffic
from infra.process.clock import utc_now
from tests.support.databases import Databases
from tests.support.inbound import publish_facts
from tests.support.kafka_topics import new_topics
from tests.support.process_tree import tree
from tests.support.system import System
from tests.support.waiting import wait_until

UPDATES = 24_000
_CUSTOMERS = 5_000


class Shape(NamedTuple):
    """Partitions of the inbound topic, processes and threads of each, and numbers that the updates are for."""

    partitions: int
    processes: int
    threads: int
    numbers: int = 1

    def __str__(self) -> str:
        words = ("partition", "process", "thread each", "number")
        return ", ".join(f"{word}: {many}" for word, many in zip(words, self, strict=True))


SHAPES = (Shape(1, 1, 1), Shape(3, 1, 3), Shape(6, 2, 3), Shape(12, 4, 3), Shape(6, 2, 3, numbers=16))


def measure(
    kafka: LocalKafka, postgres: LocalPostgres, directory: Path, updates: int | None = None
) -> Iterator[Figure]:
    """Yields one rate for each shape, and what is stored of an update."""
    for shape in SHAPES:
        yield from _rate(kafka, postgres, directory / f"{'-'.join(map(str, shape))}", shape, updates or UPDATES)


def _rate(kafka: LocalKafka, postgres: LocalPostgres, directory: Path, shape: Shape, updates: int) -> Iterator[Figure]:
    directory.mkdir(parents=True, exist_ok=True)
    databases = Databases(postgres.dsn)
    dsn, topics = databases.create(), new_topics(kafka.bootstrap, shape.partitions)
    with System(kafka.bootstrap, dsn, topics, directory) as system, psycopg.connect(dsn, autocommit=True) as connection:
        publish_facts(system, _facts(shape.numbers, updates))
        before = _size(connection)
        for process in range(shape.processes):
            system.start("conversations", consumer_instance=f"c{process}", consumer_threads=shape.threads)
        wait_until(lambda: _read(connection) > 0, step=0.005)
        began, read_before = monotonic(), _read(connection)
        spent = _seconds(kafka, postgres, system)
        wait_until(lambda: _read(connection) >= updates, 300, step=0.02)
        seconds = monotonic() - began
        after = _seconds(kafka, postgres, system)
        costs = [(now - then) * 1000 / updates for now, then in zip(after, spent, strict=True)]
        stored = (_size(connection) - before) / updates
    databases.drop(dsn)
    yield Figure(
        what=f"updates stored, {shape}",
        value=f"{(updates - read_before) / seconds:,.0f} updates/s",
        meaning=f"{updates:,} updates of {_CUSTOMERS:,} customers in {seconds:.1f} s; processor time of an update: "
        f"consumers {costs[0]:.2f} ms, postgres {costs[1]:.2f}, kafka {costs[2]:.2f}; {stored:,.0f} bytes of database",
    )


def _facts(numbers: int, updates: int) -> list[Fact]:
    now = utc_now()
    lines = [BusinessNumber(f"5502000000000{n:02}", f"+999 00000000{n:02}", "550200000000000") for n in range(numbers)]
    facts: list[Fact] = []
    for line in lines:
        traffic = Traffic(Mix(line, _CUSTOMERS // numbers), now, 264)
        for number in range(updates // numbers):
            facts += reader.read(traffic.post([traffic.update(number)]).body, now).facts
    return facts


def _read(connection: Connection[object]) -> int:
    row = connection.execute("select coalesce(sum(next_offset), 0)::bigint from consumer_offsets").fetchone()
    assert isinstance(row, tuple)
    return int(row[0])


def _size(connection: Connection[object]) -> int:
    row = connection.execute("select pg_database_size(current_database())").fetchone()
    assert isinstance(row, tuple)
    return int(row[0])


def _seconds(kafka: LocalKafka, postgres: LocalPostgres, system: System) -> Sequence[float]:
    """The processor time so far: of the consumers, PostgreSQL and Kafka."""
    roots = ([worker.pid for worker in system.workers], [postgres.pid], [kafka.pid])
    return [sum(_of_tree(pid) for pid in pids if pid is not None) for pids in roots]


def _of_tree(pid: int) -> float:
    ended = psutil.Process(pid).cpu_times()
    living = sum(each.cpu_times().user + each.cpu_times().system for each in tree(pid))
    return float(ended.children_user + ended.children_system + living)
