"""Measures how long it takes to count all conversations of the world again, with the entries that tell of menus, while
nothing else runs."""

from collections.abc import Iterator
from time import monotonic

import psycopg

from benchmarks.figures import Figure
from benchmarks.setup.world import World
from infra.postgres import directory
from infra.process.memory import collect_rarely
from witiop.operations.statistics import AT_ONCE, Recount, rebuild

_TEN_MILLION, _SECONDS = 10_000_000, 1_800
_TABLES = (
    "stat_contributions, stat_offers, stat_hours, stat_times, stat_steps, stat_step_weeks, stat_agents, stat_rules, "
    "stat_step_titles"
)


def measure(world: World) -> Iterator[Figure]:
    """Yields the time, as for ten million conversations. The numbers are removed again."""
    with psycopg.connect(world.dsn, autocommit=True) as connection:
        connection.execute(f"truncate {_TABLES}")
        _, company = directory.read(connection)
        collect_rarely()  # as the command does
        began, longest, last = monotonic(), 0.0, monotonic()
        done = Recount(0, 0)
        for step in rebuild(connection, company):
            done = step
            longest, last = max(longest, monotonic() - last), monotonic()
        seconds = (monotonic() - began) / done.conversations * _TEN_MILLION
        connection.execute(f"truncate {_TABLES}")
    yield Figure(
        what="counting ten million conversations again",
        value=f"{seconds / 60:.0f} min",
        target=f"at most {_SECONDS // 60} min",
        holds=seconds <= _SECONDS,
        meaning=f"measured with {done.conversations:,}, {AT_ONCE} in a transaction, which keeps `analytics` waiting; "
        f"the longest took {longest:.1f} s",
    )
