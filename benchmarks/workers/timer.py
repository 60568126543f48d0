"""Measures how late the `timer` closes conversations when 100,000 windows end within one minute, and within one second.

The windows of the active conversations of a world are moved, and one timer runs. Lateness is the time from the end of a
window to the commit that closed its conversation, as PostgreSQL stored it.
"""

from collections.abc import Iterator
from contextlib import closing
from threading import Event as Flag
from threading import Thread
from time import sleep
from typing import Any

import psycopg
from psycopg import Connection

from benchmarks.figures import Figure, percentile
from benchmarks.setup.world import World, copied
from consumers.workers.timer import Timer
from domain.topics import Topics
from infra.local.postgres import LocalPostgres
from infra.postgres.connections.session import DatabaseSession

CONVERSATIONS = 1_000_000
"""Size of the world; one in ten conversations is active and has its window moved."""
_CASES = ((60, 5), (1, 30))
"""Seconds within which the windows end, and maximum lateness in seconds."""
_LEAD_SECONDS = 30
"""Time to move the windows before the first of them ends."""


def measure(server: LocalPostgres, world: World) -> Iterator[Figure]:
    """Yields the lateness for one minute and for one second."""
    for spread, limit in _CASES:
        late = _lateness(server, world, spread)
        yield Figure(
            what=f"{len(late):,} windows end within {spread} s",
            value=f"p99 {percentile(late, 99):.1f} s, at most {late[-1]:.1f} s late",
            target=f"at most {limit} s",
            holds=late[-1] <= limit,
            meaning="from the end of a window to the commit that closed its conversation; one timer, "
            f"{world.conversations:,} conversations",
        )


def _lateness(server: LocalPostgres, world: World, spread: float) -> list[float]:
    """Returns the lateness in seconds, in ascending order. Works on a copy of the world."""
    with copied(server, world, "timer") as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        _move_windows(connection, spread)
        _close_all(connection, dsn)
        return [row[0] for row in connection.execute(_LATE, [world.now]).fetchall()]


def _move_windows(connection: Connection[Any], spread: float) -> None:
    connection.execute(_MOVE, {"lead": _LEAD_SECONDS, "spread": spread})
    connection.execute("vacuum (analyze) conversations")
    row = connection.execute("select min(window_ends_at) > now() from conversations where status = 'a'").fetchone()
    assert row == (True,), "this machine is too slow: the first window has already ended"


def _close_all(connection: Connection[Any], dsn: str) -> None:
    stop = Flag()
    with closing(DatabaseSession(dsn, "bench timer")) as session:
        timer = Thread(target=Timer(session.transaction, Topics()).run, args=[stop])
        timer.start()
        try:
            while connection.execute("select 1 from conversations where status = 'a' limit 1").fetchone():
                sleep(0.5)
        finally:
            stop.set()
            timer.join()


_MOVE = """
    update conversations c set window_ends_at = now() + make_interval(secs => %(lead)s + %(spread)s * t.share)
    from (
      select id, percent_rank() over (order by md5(id::text)) as share from conversations where status = 'a'
    ) t
    where c.id = t.id
"""

_LATE = """
    select extract(epoch from pg_xact_commit_timestamp(xmin) - window_ends_at)::float
    from conversations where status = 'c' and window_ends_at > %s order by 1
"""
