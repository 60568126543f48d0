"""`python -m benchmarks [NAME ...]`: runs measurements and prints the results with their meaning.

At full size the results also replace their section of docs/performance.md. The data are kept for the next run: 45 GB on
disk at full size, which take half an hour to create in the first run.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    commands,
    console,
    consumer,
    desk,
    end_to_end,
    load,
    reading,
    scaling,
    sending,
    webhook,
)
from benchmarks.campaigns import imports, pauses, plans, statuses
from benchmarks.figures import Figure
from benchmarks.page import update
from benchmarks.setup.servers import kafka, postgres
from benchmarks.setup.world import World, prepare
from benchmarks.statistics import events as counted_events
from benchmarks.statistics import page as numbers_page
from benchmarks.statistics import rebuild
from benchmarks.workers import routing, rules, timer
from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres

CONVERSATIONS = 10_000_000
DATA = Path(".witiop") / "bench"


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a run; None for `conversations` and `seconds` is full size."""

    data: Path
    conversations: int | None
    seconds: float | None

    @property
    def is_full(self) -> bool:
        """Returns whether the results may be written to docs/performance.md."""
        return self.conversations is None and self.seconds is None


def _consumer(size: Size) -> Iterator[Figure]:
    world = _world(size, CONVERSATIONS)
    with postgres(size.data), kafka(size.data) as bootstrap:
        yield from consumer.measure(bootstrap, world)


def _webhook(size: Size) -> Iterator[Figure]:
    with kafka(size.data) as bootstrap:
        yield from webhook.measure(bootstrap, size.data)


def _end_to_end(size: Size) -> Iterator[Figure]:
    yield from end_to_end.measure(size.data / "load", size.seconds or end_to_end.SECONDS)


def _reading(size: Size) -> Iterator[Figure]:
    world = _world(size, CONVERSATIONS)
    with postgres(size.data):
        yield from reading.measure(world)


def _timer(size: Size) -> Iterator[Figure]:
    world = _world(size, timer.CONVERSATIONS)
    with postgres(size.data) as server:
        yield from timer.measure(server, world)


def _latency(size: Size) -> Iterator[Figure]:
    yield from load.latency(size.data / "load", size.seconds or load.LATENCY_SECONDS)


def _scaling(size: Size) -> Iterator[Figure]:
    with (
        LocalPostgres(size.data / "scaling" / "postgres") as server,
        LocalKafka(size.data / "scaling" / "kafka") as broker,
    ):
        yield from scaling.measure(broker, server, size.data / "scaling", size.conversations)


def _commands(size: Size) -> Iterator[Figure]:
    with postgres(size.data) as server, kafka(size.data) as bootstrap:
        yield from commands.measure(bootstrap, server)
        yield from commands.results(bootstrap, server, size.data / "commands", size.seconds or 20)


def _sending(size: Size) -> Iterator[Figure]:
    with postgres(size.data) as server, kafka(size.data) as bootstrap:
        yield from sending.posts(bootstrap, server, size.data / "posts")
    yield from sending.load(size.data / "load", size.seconds or sending.SECONDS)


def _campaign_import(size: Size) -> Iterator[Figure]:
    with postgres(size.data) as server, kafka(size.data) as bootstrap:
        yield from imports.measure(bootstrap, server, size.data / "import", size.conversations)


def _campaigns(size: Size) -> Iterator[Figure]:
    with postgres(size.data) as server, kafka(size.data) as bootstrap:
        yield from plans.measure(server, size.conversations)
        yield from statuses.measure(server)
        yield from pauses.measure(bootstrap, server, size.data / "campaigns")


def _analytics(size: Size) -> Iterator[Figure]:
    world = _world(size, CONVERSATIONS)
    with postgres(size.data) as server:
        yield from counted_events.measure(server, size.conversations)
        yield from numbers_page.measure(server)
        yield from rebuild.measure(world)


def _desk(size: Size) -> Iterator[Figure]:
    yield from desk.measure(size.data / "load", size.seconds or desk.SECONDS)


def _routing(size: Size) -> Iterator[Figure]:
    with postgres(size.data) as server:
        yield from routing.measure(server)


def _rules(size: Size) -> Iterator[Figure]:
    world = _world(size, rules.CONVERSATIONS)
    with postgres(size.data) as server:
        yield from rules.measure(server, world)


def _console(size: Size) -> Iterator[Figure]:
    world = _world(size, CONVERSATIONS)
    with postgres(size.data):
        yield from console.pages(world, size.data / "console")
        yield from console.searches(world)


def _viewers(size: Size) -> Iterator[Figure]:
    yield from console.viewers(size.data / "load", size.seconds or console.VIEWING_SECONDS)


def _memory(size: Size) -> Iterator[Figure]:
    yield from load.memory(size.data / "load", size.seconds or load.MEMORY_SECONDS)


BENCHMARKS: dict[str, Callable[[Size], Iterator[Figure]]] = {
    "consumer": _consumer,
    "webhook": _webhook,
    "end-to-end": _end_to_end,
    "reading": _reading,
    "timer": _timer,
    "commands": _commands,
    "routing": _routing,
    "rules": _rules,
    "sending": _sending,
    "campaign-import": _campaign_import,
    "campaigns": _campaigns,
    "analytics": _analytics,
    "desk": _desk,
    "console": _console,
    "viewers": _viewers,
    "scaling": _scaling,
    "latency": _latency,
    "memory": _memory,
}


def _world(size: Size, conversations: int) -> World:
    """Creates the world without waiting for the disk: after a crash of the machine it is created again."""
    with postgres(size.data, durable=False) as server:
        return prepare(server, size.conversations or conversations)


def main(arguments: Sequence[str]) -> int:
    """Runs the measurements and returns the exit code, 0 if every target was met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--conversations", type=int, help=f"number of conversations (default {CONVERSATIONS:,})")
    parser.add_argument("--seconds", type=float, help="duration of the load (default: 60 s; 600 s for memory)")
    parser.add_argument("--data", type=Path, default=DATA, help="data directory (default %(default)s)")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - BENCHMARKS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; use {', '.join(BENCHMARKS)}")
    size = Size(options.data.resolve(), options.conversations, options.seconds)
    met = True
    for name in options.names or BENCHMARKS:
        print(f"{name} ...", flush=True)
        figures = []
        for figure in BENCHMARKS[name](size):
            figures.append(figure)
            met = met and figure.holds is not False
            print(f"  {figure}", flush=True)
        if size.is_full:
            update(name, figures, datetime.now(UTC).date())
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
