"""Measures how fast the page Analytics is read for 90 days and twenty numbers, all hours of which have conversations of
five reasons, durations, twelve steps of a menu, and offers to ten agents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, LiteralString

import psycopg
from psycopg import Connection

from benchmarks.console import PageClient, answers
from benchmarks.figures import Figure, percentile
from benchmarks.setup.company import company
from benchmarks.setup.sessions import cookies_of
from domain.statistics.buckets import LAST_BUCKET
from domain.topics import Topics
from infra.local.ports import LOOPBACK, free_port
from infra.local.postgres import LocalPostgres
from infra.postgres.connections.pool import connect
from infra.postgres.statistics.cells import BUCKETS, LEFT_ALONE, LOST
from infra.postgres.statistics.numbers import StatPeriod, numbers_of
from infra.process.clock import utc_now
from tests.support.system import System
from tests.support.waiting import wait_until

_DAYS, _READS = 90, 100
_MS = 50


def measure(server: LocalPostgres) -> Iterator[Figure]:
    """Yields the times of reading the numbers and of the page."""
    with company(server) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        cells = _fill(connection)
        today = utc_now().date()
        period = StatPeriod(today - timedelta(days=_DAYS - 1), today)
        with closing(connect(dsn, "bench", autocommit=True, generic_plans=True)) as reader:
            yield _read("numbers of 90 days and 20 numbers", lambda: numbers_of(reader, period), cells)
        yield from _page(dsn, connection, period, cells)


def _fill(connection: Connection[Any]) -> int:
    """Fills the cells; returns how many there are."""
    cells = 0
    for statement in _CELLS:
        cells += connection.execute(statement).rowcount
    cells += sum(connection.execute(statement).rowcount for statement in _rollups())
    connection.execute("vacuum (analyze)")
    return cells


def _page(dsn: str, connection: Connection[Any], period: StatPeriod, cells: int) -> Iterator[Figure]:
    with TemporaryDirectory() as logs, System("127.0.0.1:1", dsn, Topics(), Path(logs)) as system:
        port = free_port()
        system.start("console", console_port=port, console_url=f"http://{LOOPBACK}:{port}")
        wait_until(lambda: answers(port, "/readyz"))
        (cookie,) = cookies_of(connection, ["bench"], administrator=True)
        path = f"/analytics?from={period.first}&to={period.last}"
        with closing(PageClient(port, cookie)) as client:
            client.seconds(path, 20)
            yield _read("the page of 90 days and 20 numbers", lambda: client.get(path), cells)


def _read(what: str, read: Callable[[], object], cells: int) -> Figure:
    times = []
    for _ in range(_READS):
        began = monotonic()
        read()
        times.append((monotonic() - began) * 1000)
    times.sort()
    return Figure(
        what=what,
        value=f"p50 {percentile(times, 50):.0f} ms, p99 {percentile(times, 99):.0f} ms",
        target=f"p50 at most {_MS} ms",
        holds=percentile(times, 50) <= _MS,
        meaning=f"of {cells:,} cells; one reader, {_READS} times",
    )


def _rollups() -> Iterator[LiteralString]:
    """The sums over all numbers, and those of weeks."""
    for table, (key, columns) in _SUMMED.items():
        sums = ", ".join(f"sum({column})" for column in columns)
        yield f"insert into stat_{table} select day, '', {key}, {sums} from stat_{table} group by day, {key}"
    yield (
        "insert into stat_step_weeks select date_trunc('week', day), phone_number_id, step, sum(shown), sum(left_here) "
        "from stat_steps group by 1, 2, 3"
    )


_SUMMED: Mapping[LiteralString, tuple[LiteralString, Sequence[LiteralString]]] = {
    "hours": (
        "reason",
        ("opened", "touched", "unmanaged", "rescued", "lost", "open", "dismissed", *LEFT_ALONE, *LOST),
    ),
    "times": ("kind", BUCKETS),
    "agents": ("agent_id", ("offered", "accepted", "declined", "lapsed")),
}
_GRID = (
    "from generate_series(current_date - 89, current_date, interval '1 day') as days (d), "
    "generate_series(1, 20) as numbers (n)"
)
_HOURS = ", ".join(["case when r = '' then 0 else 5 end"] * 24 + ["case when r = '' then 0 else 2 end"] * 24)
_BUCKETS = ", ".join(["3"] * (LAST_BUCKET + 1))
_CELLS = (
    "insert into stat_hours select d, 'number-' || n, r, 120, 72, case when r = '' then 0 else 120 end, "
    f"case when r = '' then 0 else 72 end, case when r = '' then 0 else 48 end, 0, 0, {_HOURS} {_GRID}, "
    "unnest(array['', 'no_choice', 'invalid_choice', 'out_of_hours', 'nobody_took_it']) as reasons (r)",
    f"insert into stat_times select d, 'number-' || n, k, {_BUCKETS} {_GRID}, "
    "unnest(array['assignment', 'first_word', 'listed']) as kinds (k)",
    f"insert into stat_steps select d, 'number-' || n, 'step/' || s, 50, 5 {_GRID}, "
    "generate_series(1, 12) as steps (s)",
    f"insert into stat_agents select d, 'number-' || n, 'agent-00' || a, 9, 7, 1, 1 {_GRID}, "
    "generate_series(0, 9) as agents (a)",
)
