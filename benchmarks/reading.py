"""How long the database takes for a page of the list and for the page of a conversation, among all of them.

2,000 reads each: the list with random filters and 100 rows, from random places in it; conversations at random. Every
one is read twice, in two different orders: the first time may wait for the disk, the second time is the figure (warm).
The time is that of all statements of a read, until their rows are here: what the database takes, and the socket.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from random import Random
from time import perf_counter
from typing import Any, ClassVar, LiteralString, Self

from psycopg import Connection, Cursor
from psycopg.abc import Params

from benchmarks.figures import Figure, percentile
from benchmarks.stories import NUMBERS, number_id
from benchmarks.world import World
from domain.reasons import Reason
from infra.postgres import cursor
from infra.postgres.conversation_page import conversation_page
from infra.postgres.list_queries import MAX_ROWS, Filter, page
from infra.postgres.pool import connect

READS = 2000
_P99_MS = 5.0

_Read = Callable[[], object]


def measure(world: World) -> Iterator[Figure]:
    """For the list and for the page of a conversation."""
    chance = Random()
    with connect(world.dsn, "bench", autocommit=True) as connection:
        connection.cursor_factory = _Timed
        for what, reads in (
            (f"list of {MAX_ROWS} rows", [_list(connection, world, chance) for _ in range(READS)]),
            ("page of a conversation", _pages(connection, world, chance)),
        ):
            cold, warm = _times(reads, chance), _times(reads, chance)
            yield Figure(
                what=f"{what}, warm",
                value=f"p50 {percentile(warm, 50):.1f} ms, p99 {percentile(warm, 99):.1f} ms",
                target=f"p99 at most {_P99_MS:.0f} ms",
                holds=percentile(warm, 99) <= _P99_MS,
                meaning=f"in the database, among {world.conversations:,} conversations: the second of two rounds of "
                f"{READS:,} reads; the first: p50 {percentile(cold, 50):.1f} ms, p99 {percentile(cold, 99):.1f} ms",
            )


def _list(connection: Connection[Any], world: World, chance: Random) -> _Read:
    which = Filter(
        status=chance.choice([None, "active", "closed"]),
        reason=chance.choice([None, *Reason]),
        number=chance.choice([None, *map(number_id, NUMBERS)]),
    )
    active = which.status == "active"
    age = timedelta(hours=20) if active else timedelta(days=90)
    after = cursor.Cursor(world.now - chance.random() * age, cursor.START.id)
    return partial(page, connection, which, MAX_ROWS, after)


def _pages(connection: Connection[Any], world: World, chance: Random) -> list[_Read]:
    return [partial(conversation_page, connection, chat.id) for chat in world.any(READS, chance)]


def _times(reads: Sequence[_Read], chance: Random) -> list[float]:
    """Milliseconds that each read spent in the database, in ascending order."""
    times = []
    for read in chance.sample(reads, len(reads)):
        _Timed.spent = 0.0
        read()
        times.append(_Timed.spent * 1000)
    return sorted(times)


class _Timed(Cursor[Any]):
    """Adds up what its statements take."""

    spent: ClassVar[float] = 0.0

    def execute(  # type: ignore[override]
        self,
        query: LiteralString,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Self:
        began = perf_counter()
        try:
            return super().execute(query, params, prepare=prepare, binary=binary)
        finally:
            _Timed.spent += perf_counter() - began
