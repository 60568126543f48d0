"""Measures the way from a POST to the row: how many updates a second the whole system answers and stores, and what each
costs.

The system is `witiop dev` without its demo, on this machine, with one or two webhook processes. A sender that costs
little posts signed bodies with one update each, messages and statuses of 500 customers, over 1, 32 or 128 persistent
connections, each of which sends its next body as soon as the last one is answered. Rows are counted when they are
committed: the time ends when the last acknowledged update is stored, and every one of them must be.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from time import monotonic
from typing import Any

import psycopg
from psycopg import Connection

from benchmarks.figures import Figure, percentile
from benchmarks.setup.machine import ProcessorTime
from benchmarks.setup.senders import Sent, send
from infra.local.simulator.bodies import BusinessNumber
from infra.local.simulator.traffic import STATUSES, Mix, Traffic, Update
from infra.process.clock import utc_now
from tests.support.dev_stack import Dev, free_port_base
from tests.support.waiting import wait_until
from tests.support.webhook_app import signature
from tests.support.webhook_process import PATH
from witiop.dev.stack_file import Stack

SECONDS = 15.0
CONNECTIONS = (1, 32, 128)
PROCESSES = (1, 2)
MOST_PER_SECOND = 3_000
"""More than the system can answer: so many bodies are prepared for each second."""
_WARMING_SECONDS = 5.0
_DRAIN_SECONDS = 120.0
_LEAST_STORED = {32: 1050, 1: 300}
"""Rows a second, by connections, with one webhook process on two cores."""
_MOST_CPU = {"webhook": 0.90, "conversations": 0.35, "together": 1.50}
"""Milliseconds of processor time per POST."""
_NUMBER = BusinessNumber("550200000000001", "+999 0000000000", "550200000000000")


def measure(directory: Path, seconds: float) -> Iterator[Figure]:
    """Yields the rates for each number of connections and processes, and the processor time of each process."""
    for processes in PROCESSES:
        with _stack(directory, processes) as stack:
            _run(stack, 32, _WARMING_SECONDS)
            for connections in CONNECTIONS:
                yield from _figures(stack, processes, connections, seconds)


def _figures(stack: Stack, processes: int, connections: int, seconds: float) -> Iterator[Figure]:
    sent, stored_per_second, cpu = _run(stack, connections, seconds)
    setting = f"{connections} connection{'s' * (connections > 1)}, {processes} webhook process{'es' * (processes > 1)}"
    least = _LEAST_STORED.get(connections) if processes == 1 else None
    yield Figure(
        what=f"updates stored, {setting}",
        value=f"{stored_per_second:,.0f} rows/s",
        target="" if least is None else f"at least {least:,} rows/s",
        holds=None if least is None else stored_per_second >= least,
        meaning=f"{len(sent.accepted) / sent.duration:,.0f} answers/s, p50 {percentile(sent.seconds, 50) * 1000:,.0f} "
        f"ms, p99 {percentile(sent.seconds, 99) * 1000:,.0f} ms; {len(sent.accepted):,} answered with 200 and all of "
        f"them stored, {sent.others:,} others",
    )
    limits = _MOST_CPU if (processes, connections) == (1, 32) else {}
    yield Figure(
        what=f"processor time per POST, {setting}",
        value=f"{cpu['together']:.2f} ms",
        target=", ".join(f"{name} at most {most:.2f}" for name, most in limits.items()),
        holds=all(cpu[name] <= most for name, most in limits.items()) if limits else None,
        meaning=", ".join(f"{name} {spent:.2f}" for name, spent in cpu.items() if name != "together"),
    )


def _run(stack: Stack, connections: int, seconds: float) -> tuple[Sent, float, Mapping[str, float]]:
    """Returns what was answered, the rows stored a second, and the milliseconds per POST of each process. Raises
    AssertionError if an acknowledged update is lost."""
    updates = _updates(int(seconds * MOST_PER_SECOND))
    posts = [_post(stack, traffic, update) for traffic, update in updates]
    port = int(stack.webhook_url.rpartition(":")[2])
    with psycopg.connect(stack.postgres_dsn, autocommit=True) as connection:
        spent = ProcessorTime(stack)
        began, read_before = monotonic(), _read(connection)
        sent = send(port, posts, connections, seconds)
        expected = read_before + len(sent.accepted)
        wait_until(lambda: _read(connection) >= expected, _DRAIN_SECONDS, step=0.02)
        stored_in = monotonic() - began
        seconds_of = spent.seconds()
        missing = _missing(connection, [updates[place][1] for place in sent.accepted])
    assert not missing, f"{len(missing)} acknowledged updates are not stored"
    many = len(sent.accepted)
    cpu = {name: ms for name, each in seconds_of.items() if (ms := each * 1000 / many) >= 0.005}
    return sent, many / stored_in, {**cpu, "together": sum(cpu.values())}


def _updates(many: int) -> list[tuple[Traffic, Update]]:
    traffic = Traffic(Mix(_NUMBER), utc_now(), 264)
    return [(traffic, traffic.update(number)) for number in traffic.numbers(many)]


def _post(stack: Stack, traffic: Traffic, update: Update) -> bytes:
    """Returns the complete request."""
    body = traffic.post([update]).body
    assert stack.whatsapp_app_secret is not None
    lines = [
        f"POST {PATH} HTTP/1.1",
        "Host: webhook",
        "User-Agent: facebookexternalua",
        "Accept: */*",
        "Content-Type: application/json",
        f"X-Hub-Signature-256: {signature(body, stack.whatsapp_app_secret)}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _read(connection: Connection[Any]) -> int:
    """Returns how many records of the inbound topic are processed and committed."""
    query = "select coalesce(sum(next_offset), 0) from consumer_offsets where group_name like '%conversations%'"
    (read,) = connection.execute(query).fetchone() or (0,)
    return int(read)


def _missing(connection: Connection[Any], acknowledged: Sequence[Update]) -> set[str]:
    """Returns the updates that are not in the database."""
    messages = {update.wamid for update in acknowledged if update.status is None}
    ranks: dict[str, int] = {}
    for update in acknowledged:
        if update.status is not None:
            ranks[update.wamid] = max(ranks.get(update.wamid, 0), STATUSES.index(update.status) + 1)
    found = connection.execute("select wamid from entries where wamid = any(%s)", [list(messages)])
    stored = connection.execute("select wamid, rank from message_status where wamid = any(%s)", [list(ranks)])
    reached = dict(stored.fetchall())
    return messages - {wamid for (wamid,) in found} | {
        wamid for wamid, rank in ranks.items() if reached.get(wamid, 0) < rank
    }


@contextmanager
def _stack(directory: Path, processes: int) -> Iterator[Stack]:
    rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    environment = {"WITIOP_WEBHOOK_PROCESSES": str(processes)}
    dev = Dev(directory / "stack", free_port_base(), "--no-demo", environment=environment)
    try:
        dev.ready()
        yield dev.stack()
    finally:
        dev.stop()
