"""The whole system under one number's load (264 updates a second): how long an update takes from its POST to the list,
and whether the memory of the processes stays as it is.

The system is `witiop dev` with a data directory of its own, the load `witiop simulate load`: an open loop, messages of
500 customers with three statuses of an answer each.
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
from typing import Any

import psycopg

from benchmarks.figures import Figure, percentile
from tests.support.dev_stack import Dev, free_port_base
from tests.support.process_tree import pss_bytes, tree
from tests.support.waiting import wait_until
from witiop.dev.stack_file import Stack

RATE = 264
"""Updates a second: what Meta lets one default number receive."""

LATENCY_SECONDS = 60.0
MEMORY_SECONDS = 600.0

_MINUTE = 60.0
_SAMPLE_SECONDS = 5.0
_GROWTH = 0.05
_WITH_A_HEAP = ("kafka",)
"""A Java machine fills its heap before it tidies up: what bounds it is the size that the heap is given."""
_LIST_P99_SECONDS = 1.0
_DRAIN_SECONDS = 60.0
_WARMING_SECONDS = 10.0
"""Of the same load, before the clock starts: first plans, first connections."""


def latency(directory: Path, seconds: float) -> Iterator[Figure]:
    """From the POST to the commit after which every look at the list shows what the message did."""
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
        meaning=f"{len(times):,} messages, from sending the POST to the commit of what it did to its conversation; the "
        f"longest {times[-1] * 1000:,.0f} ms",
    )
    yield Figure(
        what=f"answer to a POST at {RATE} updates/s",
        value=f"p50 {summary['p50_ms']:,.0f} ms, p99 {summary['p99_ms']:,.0f} ms",
        target="p50 at most 50 ms, p99 at most 300 ms",
        holds=summary["p50_ms"] <= 50 and summary["p99_ms"] <= 300,
        meaning=f"{summary['posts']:,} POSTs of one update, as the sender sees them; answers {summary['answers']}, "
        f"{summary['not_sent']:,} updates not sent in time",
    )


def memory(directory: Path, seconds: float) -> Iterator[Figure]:
    """Of every process, with all that it started: the last minute against the second one."""
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
def stack_of(directory: Path) -> Iterator[Stack]:
    """A new one, without the demo, whose PostgreSQL keeps the time of every commit."""
    rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    data = directory / "stack"
    with _dev(data) as dev, psycopg.connect(dev.stack().postgres_dsn, autocommit=True) as connection:
        connection.execute("alter system set track_commit_timestamp = on")  # in force after a restart
    with _dev(data) as dev:
        yield dev.stack()


@contextmanager
def _dev(data: Path) -> Iterator[Dev]:
    dev = Dev(data, free_port_base(), "--no-demo")
    try:
        dev.ready()
        yield dev
    finally:
        dev.stop()


def generate(directory: Path, seconds: float, *more: str) -> Mapping[str, Any]:
    """Runs to its end; returns its summary."""
    command = [sys.executable, "-m", "witiop", "simulate", "load", "--rate", str(RATE), "--seconds", str(seconds)]
    command += ["--stack", str(directory / "stack"), "--json", *more]
    summary: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return summary


def _until_listed(stack: Stack, ledger: Path) -> list[float]:
    """Seconds from POST to commit of every message that was answered 200, in ascending order."""
    lines = map(json.loads, ledger.read_text().splitlines())
    kept = [line for line in lines if line["kind"] == "message" and line["answer"] == 200]
    sent = {line["id"]: datetime.fromisoformat(line["sent"]) for line in kept}
    with psycopg.connect(stack.postgres_dsn, autocommit=True) as connection:

        def committed() -> dict[str, datetime]:
            rows = connection.execute("select wamid, pg_xact_commit_timestamp(xmin) from entries").fetchall()
            return dict(rows)

        wait_until(lambda: committed().keys() >= sent.keys(), _DRAIN_SECONDS, step=1)
        return sorted((at - sent[wamid]).total_seconds() for wamid, at in committed().items() if wamid in sent)


class _Samples:
    """Looks every few seconds at what the processes hold."""

    def __init__(self, pids: Mapping[str, Sequence[int]]) -> None:
        self._pids = pids
        self._over = Flag()
        self._thread = Thread(target=self._run)
        self.by_name: dict[str, list[tuple[float, int]]] = {name: [] for name, found in pids.items() if found}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        began = monotonic()
        while not self._over.wait(_SAMPLE_SECONDS):
            for name, sizes in self.by_name.items():
                sizes.append((monotonic() - began, sum(_held(name, pid) for pid in self._pids[name])))


def _held(name: str, pid: int) -> int:
    """Bytes of a process and all that it started. PostgreSQL's without its shared buffers, which fill up to their
    fixed size."""
    return sum(process.memory_full_info().uss for process in tree(pid)) if name == "postgres" else pss_bytes(pid)
