"""Measures the whole system under the load of one number (264 updates per second): the time from a POST to the list,
and whether the memory of the processes grows.

The system is `witiop dev` with its own data directory. The load is `witiop simulate load`, an open loop with messages
of 500 customers and three statuses per message.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from statistics import fmean
from threading import Event as Flag
from threading import Thread
from time import monotonic
from types import MappingProxyType
from typing import Any

import psycopg

from benchmarks.figures import Figure, percentile
from tests.support.dev_stack import Dev, free_port_base
from tests.support.process_tree import pss_bytes, tree
from tests.support.waiting import wait_until
from witiop.dev.stack_file import Stack

RATE = 264
"""Updates per second that Meta sends at most to a number with default limits."""

LATENCY_SECONDS = 60.0
MEMORY_SECONDS = 600.0

_MINUTE = 60.0
_SAMPLE_SECONDS = 5.0
_GROWTH = 0.05
_WITH_A_HEAP = ("kafka",)
"""Processes without a memory target: a JVM fills its heap before it collects garbage, up to the configured size."""
_LIST_P99_SECONDS = 1.0
_DRAIN_SECONDS = 60.0
_WARMING_SECONDS = 10.0
"""Warm-up under the same load, for query plans and connections."""


def latency(directory: Path, seconds: float) -> Iterator[Figure]:
    """Yields the time from the POST to the commit that makes the message visible in the list."""
    ledger = directory / "ledger.jsonl"
    with stack_of(directory) as stack:
        generate(directory, _WARMING_SECONDS)
        summary = generate(directory, seconds, "--ledger", str(ledger))
        times = _until_listed(stack, ledger)
    yield Figure(
        what=f"POST to list at {RATE} updates/s",
        value=f"p50 {percentile(times, 50) * 1000:,.0f} ms, p99 {percentile(times, 99) * 1000:,.0f} ms",
        target=f"p99 at most {_LIST_P99_SECONDS * 1000:,.0f} ms",
        holds=percentile(times, 99) <= _LIST_P99_SECONDS,
        meaning=f"{len(times):,} messages, from sending the POST to the commit of its effect; "
        f"longest {times[-1] * 1000:,.0f} ms",
    )
    yield Figure(
        what=f"answer to a POST at {RATE} updates/s",
        value=f"p50 {summary['p50_ms']:,.0f} ms, p99 {summary['p99_ms']:,.0f} ms",
        target="p50 at most 50 ms, p99 at most 300 ms",
        holds=summary["p50_ms"] <= 50 and summary["p99_ms"] <= 300,
        meaning=f"{summary['posts']:,} POSTs of one update, as the sender sees them; answers: {summary['answers']}, "
        f"{summary['not_sent']:,} updates not sent in time",
    )


def memory(directory: Path, seconds: float) -> Iterator[Figure]:
    """Yields the memory of every process with its children: the last minute compared with the second one."""
    with stack_of(directory) as stack:
        samples = _Samples(stack.pids)
        samples.start()
        summary = generate(directory, seconds)
        samples.stop()
    for name, sizes in samples.by_name.items():
        second = fmean(size for at, size in sizes if _MINUTE <= at < 2 * _MINUTE)
        last = fmean(size for at, size in sizes if seconds - _MINUTE <= at < seconds)
        yield Figure(
            what=f"memory of {name}",
            value=f"{second / 2**20:,.0f} MiB, then {last / 2**20:,.0f} MiB ({last / second - 1:+.1%})",
            target="" if name in _WITH_A_HEAP else f"at most {_GROWTH:+.0%}",
            holds=None if name in _WITH_A_HEAP else last <= second * (1 + _GROWTH),
            meaning=f"proportional set size, mean of the second and of the last of {seconds / 60:.0f} minutes at "
            f"{summary['rate']:,.0f} updates/s",
        )


@contextmanager
def stack_of(directory: Path, **environment: str) -> Iterator[Stack]:
    """Yields a new stack without the demo, whose PostgreSQL stores the time of every commit. `environment`: settings
    that differ from those of `witiop dev`."""
    rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    data = directory / "stack"
    with _dev(data) as dev, psycopg.connect(dev.stack().postgres_dsn, autocommit=True) as connection:
        connection.execute("alter system set track_commit_timestamp = on")  # takes effect after a restart
    with _dev(data, environment) as dev:
        yield dev.stack()


@contextmanager
def _dev(data: Path, environment: Mapping[str, str] = MappingProxyType({})) -> Iterator[Dev]:
    dev = Dev(data, free_port_base(), "--no-demo", environment=environment)
    try:
        dev.ready()
        yield dev
    finally:
        dev.stop()


def generate(directory: Path, seconds: float, *more: str) -> Mapping[str, Any]:
    """Runs the load to its end and returns the summary."""
    command = [sys.executable, "-m", "witiop", "simulate", "load", "--rate", str(RATE), "--seconds", str(seconds)]
    command += ["--stack", str(directory / "stack"), "--json", *more]
    summary: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return summary


def _until_listed(stack: Stack, ledger: Path) -> list[float]:
    """Returns the seconds from POST to commit of every message that was answered 200, in ascending order."""
    lines = map(json.loads, ledger.read_text().splitlines())
    acknowledged = [line for line in lines if line["kind"] == "message" and line["answer"] == 200]
    sent = {line["id"]: datetime.fromisoformat(line["sent"]) for line in acknowledged}
    with psycopg.connect(stack.postgres_dsn, autocommit=True) as connection:

        def committed() -> dict[str, datetime]:
            rows = connection.execute("select wamid, pg_xact_commit_timestamp(xmin) from entries").fetchall()
            return dict(rows)

        wait_until(lambda: committed().keys() >= sent.keys(), _DRAIN_SECONDS, step=1)
        return sorted((at - sent[wamid]).total_seconds() for wamid, at in committed().items() if wamid in sent)


class _Samples:
    """Samples the memory of the processes every few seconds."""

    def __init__(self, pids: Mapping[str, Sequence[int]]) -> None:
        self._pids = pids
        self._stopped = Flag()
        self._thread = Thread(target=self._run)
        self.by_name: dict[str, list[tuple[float, int]]] = {name: [] for name, found in pids.items() if found}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        began = monotonic()
        while not self._stopped.wait(_SAMPLE_SECONDS):
            for name, sizes in self.by_name.items():
                sizes.append((monotonic() - began, sum(_memory_bytes(name, pid) for pid in self._pids[name])))


def _memory_bytes(name: str, pid: int) -> int:
    """Returns the memory of a process and its children in bytes.

    For PostgreSQL the shared buffers are left out: they grow to a fixed size.
    """
    return sum(process.memory_full_info().uss for process in tree(pid)) if name == "postgres" else pss_bytes(pid)
