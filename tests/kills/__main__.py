"""`python -m tests.kills`: kills senders with SIGKILL in the middle of many messages, and compares what the stand-in
for Meta accepted with what the product believes (S1): nothing twice, and of each kill at most as many unknown as may be
in flight. It takes about ten minutes, so it is not among the tests. Prints figures, and at full size writes them to
docs/performance.md; exits with 1 if a promise is broken."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection

from benchmarks.figures import Figure
from benchmarks.page import update
from domain.sending.callback import read_callback
from domain.sending.sends import TAKEN
from infra.graph.access import GraphAccess, GraphClient
from infra.graph.messages import GraphMessages
from infra.local.graph.control import GraphControl
from infra.local.graph.process import LocalGraph
from infra.local.graph.server import GraphOptions
from infra.postgres.connections.clock import database_now
from tests.support.databases import Databases
from tests.support.graph import ACCOUNT, CUSTOMER, NUMBER, TOKEN, message
from tests.support.kafka_topics import new_topics
from tests.support.servers import kafka_bootstrap, postgres_dsn
from tests.support.system import System, Worker
from tests.support.waiting import wait_until
from tests.support.webhook_app import APP_SECRETS

SENDS, KILLS, IN_FLIGHT = 100_000, 20, 16
NUMBERS = [f"4470000000{n}" for n in range(4)]
LATENCY_MS = 30
SENDERS = 2
SETTLED_WITHIN = 60.0
"""Seconds in which nearly all that Meta took has to be settled after the last kill, with the 30 s after which a post is
given up."""
_SETTLED_SHARE = 0.95
_BARE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Size:
    sends: int
    kills: int
    in_flight: int


class Kill(NamedTuple):
    """`at`: by the database's clock."""

    at: datetime
    accepted: int


class Rates(NamedTuple):
    """Messages a second, of all senders and of the product's client alone."""

    senders: float
    client: float


class Outcome(NamedTuple):
    """What became of the sends. `unrecorded`: when those were claimed whose sender never recorded an outcome; `taken`:
    those of them that Meta accepted; `settled`: those of these whose status said so."""

    accepted: Counter[UUID]
    states: Counter[str]
    unrecorded: dict[UUID, datetime]
    taken: set[UUID]
    settled: set[UUID]


@contextmanager
def installation(directory: Path) -> Iterator[tuple[System, GraphControl, Connection[Any], str]]:
    """Yields the processes that read statuses, the stand-in's switches, the database, and the stand-in's address."""
    with ExitStack() as stack:
        kafka = stack.enter_context(kafka_bootstrap(directory / "kafka"))
        dsn = Databases(stack.enter_context(postgres_dsn(directory / "postgres"))).create()
        system = stack.enter_context(System(kafka, dsn, new_topics(kafka, 4), directory))
        # only that a message was sent is reported: it settles as well as three statuses
        faults = ("status-delays=0/86400/86400", f"latency={LATENCY_MS}", "throughput=1000")
        numbers = [(number, number, ACCOUNT) for number in NUMBERS]
        options = GraphOptions(TOKEN, APP_SECRETS[0], system.webhooks.url, numbers, faults)
        graph = stack.enter_context(LocalGraph(directory / "graph", options))
        connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        system.run("webhook", "conversations")
        yield system, GraphControl(graph.url), connection, graph.url


def bare_rate(url: str, in_flight: int) -> float:
    """Returns the posts a second of the product's client alone, with as many in flight as all senders together."""
    graph = GraphMessages(GraphClient(GraphAccess(url, "v24.0", TOKEN, connections=SENDERS * in_flight)))
    until = time.monotonic() + _BARE_SECONDS
    body = message("text", {"body": "Hello"}, to=CUSTOMER)

    def loop(_: int) -> int:
        posts = 0
        while time.monotonic() < until:
            graph.post(NUMBER, body)
            posts += 1
        return posts

    with ThreadPoolExecutor(SENDERS * in_flight) as threads:
        return sum(threads.map(loop, range(SENDERS * in_flight))) / _BARE_SECONDS


def ask(connection: Connection[Any], sends: int) -> None:
    """Stores the sends, each to another customer."""
    connection.execute(
        "insert into sends (id, command_id, phone_number_id, address, address_kind, recipient, kind, lane, content, "
        "text, actor, is_word, is_claim, needs_window, requested_at, held_until, due_at, state, secret) "
        "select gen_random_uuid(), 'kills ' || n, (%s::text[])[1 + n %% %s], phone, 'phone', phone, 'text', 0, "
        '\'{"type": "text", "text": {"body": "Hello"}}\', \'Hello\', \'boss\', false, false, false, now(), now(), '
        "now(), 'queued', substring(uuid_send(gen_random_uuid()) for 8) "
        "from (select n, '39333' || lpad(n::text, 7, '0') as phone from generate_series(1, %s) n) s",
        [[*NUMBERS], len(NUMBERS), sends],
    )
    connection.execute("analyze sends")


class Senders:
    """Two senders, one of which is killed now and then and replaced."""

    def __init__(self, system: System, url: str, in_flight: int) -> None:
        self._system = system
        self._settings: dict[str, Any] = {
            "sending_enabled": True,
            "sending_in_flight": in_flight,
            "graph_url": url,
            "whatsapp_access_token": TOKEN,
            "whatsapp_accounts": ACCOUNT,
        }
        self._running: list[Worker] = []

    def add(self) -> None:
        self._running += self._system.start("sender", **self._settings)

    def kill_one(self) -> None:
        self._running.pop(0).kill()


def run(size: Size, connection: Connection[Any], control: GraphControl, senders: Senders) -> tuple[list[Kill], float]:
    """Sends everything; returns the kills, and how many seconds it took until nothing waited any more."""
    already, began = len(control.ledger()), time.monotonic()
    kills: list[Kill] = []
    for _ in range(SENDERS):
        senders.add()
    for kill in range(1, size.kills + 1):
        part = kill * size.sends // (size.kills + 1)
        wait_until(partial(has_accepted, control, already + part), 600, step=0.05)
        senders.kill_one()
        kills.append(Kill(database_now(connection), part))
        print(f"kill {kill} after {part:,}", flush=True)
        senders.add()
    in_state = "select count(*) from sends where state = %s"
    wait_until(lambda: connection.execute(in_state, ["queued"]).fetchone() == (0,), 600, step=0.2)
    seconds = time.monotonic() - began
    wait_until(lambda: connection.execute(in_state, ["sending"]).fetchone() == (0,), 120, step=0.2)
    return kills, seconds


def has_accepted(control: GraphControl, messages: int) -> bool:
    return control.accepted_since(messages - 1)[0] >= messages


def outcome(connection: Connection[Any], control: GraphControl) -> Outcome:
    """Compares the stand-in's ledger with the database."""
    callbacks = (read_callback(row["callback"]) for row in control.ledger() if row["callback"])
    accepted = Counter(callback.send for callback in callbacks if callback is not None)
    states = dict(connection.execute("select id, state from sends").fetchall())
    rows = connection.execute(
        "select s.id, s.claimed_at from sends s where not exists (select from send_log l where l.send_id = s.id "
        "and l.attempt = s.attempt and l.actor = 'sender' and l.event in ('accepted', 'not_sent', 'refused'))"
    ).fetchall()
    unrecorded = dict(rows)
    taken = unrecorded.keys() & accepted.keys()
    settled = {id_ for id_ in taken if states[id_] in TAKEN}
    return Outcome(accepted, Counter(states.values()), unrecorded, set(taken), settled)


def of_kills(found: Outcome, kills: Sequence[Kill]) -> list[int]:
    """Returns how many sends each kill left without an outcome."""
    counts = [0] * len(kills)
    for claimed_at in found.unrecorded.values():
        counts[next(n for n, kill in enumerate(kills) if claimed_at <= kill.at)] += 1
    return counts


def figures(size: Size, rates: Rates, found: Outcome, unrecorded: Sequence[int]) -> Iterator[Figure]:
    """Yields the results. `unrecorded`: how many sends each kill left without an outcome."""
    twice = sum(posts > 1 for posts in found.accepted.values())
    taken, settled, most = len(found.taken), len(found.settled), max(unrecorded)
    share = settled / taken if taken else 1.0
    yield Figure(
        f"accepted twice, {size.sends:,} messages, {size.kills} kills",
        str(twice),
        f"{SENDERS} senders, one of them killed with SIGKILL each time; Meta accepted {len(found.accepted):,}",
        "none",
        twice == 0,
    )
    yield Figure(
        "without an outcome after a kill",
        f"at most {most}, together {sum(unrecorded)}",
        f"kill by kill: {', '.join(map(str, unrecorded))}",
        f"at most {size.in_flight}, which may be in flight",
        most <= size.in_flight,
    )
    yield Figure(
        "settled by their statuses, of those that Meta took",
        f"{share:.0%}",
        f"{settled} of {taken}; the others of the {sum(unrecorded)} Meta had not taken: they stay unknown",
        f"at least {_SETTLED_SHARE:.0%} within {SETTLED_WITHIN:.0f} s",
        share >= _SETTLED_SHARE,
    )
    yield Figure(
        "messages a second meanwhile",
        f"{rates.senders:.0f}",
        f"with {LATENCY_MS} ms to an answer; the client alone, without a database, {rates.client:.0f}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--sends", type=int, default=SENDS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT)
    size = Size(**vars(parser.parse_args()))
    with TemporaryDirectory(prefix="kills-") as directory, installation(Path(directory)) as made:
        system, control, connection, url = made
        bare = bare_rate(url, size.in_flight)
        ask(connection, size.sends)
        kills, seconds = run(size, connection, control, Senders(system, url, size.in_flight))
        found, until = outcome(connection, control), time.monotonic() + SETTLED_WITHIN
        while found.settled < found.taken and time.monotonic() < until:
            time.sleep(1)
            found = outcome(connection, control)
    results = list(figures(size, Rates(size.sends / seconds, bare), found, of_kills(found, kills)))
    for figure in results:
        print(figure)
    if size == Size(SENDS, KILLS, IN_FLIGHT):
        update("kills", results, datetime.now(UTC).date())
    return 0 if all(figure.holds is not False for figure in results) else 1


if __name__ == "__main__":
    sys.exit(main())
