"""Measures how long the database takes to read a page of the list and the page of a conversation.

2,000 reads each. The list: 100 rows after a random listed conversation, each filter (status, reason, number) set to
that conversation's value with a probability of one half. The page: random conversations. Each read is done twice, in
two different orders: the first may wait for the disk, the second is the figure (warm). The time includes all statements
of a read until their rows are received.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random
from time import perf_counter
from typing import Any, ClassVar, LiteralString, Self

import psycopg
from psycopg import Connection
from psycopg.abc import Params

from benchmarks.figures import Figure, percentile
from benchmarks.setup.world import World
from domain.conversations.reasons import Reason
from infra.postgres.connections.pool import connect
from infra.postgres.conversations.columns import STATUS_CODES
from infra.postgres.lists.conversation_page import conversation_page
from infra.postgres.lists.cursor import Cursor
from infra.postgres.lists.unmanaged import MAX_ROWS, UnmanagedFilter, page

READS = 2000
_P99_MS = 5.0

_Read = Callable[[], object]

_STATUSES = {code: status for status, code in STATUS_CODES.items()}


def measure(world: World) -> Iterator[Figure]:
    """Yields the times of the list and of the page of a conversation."""
    chance = Random()
    with connect(world.dsn, "bench", autocommit=True) as connection:
        connection.cursor_factory = _Timed
        for what, reads in (
            (f"list of {MAX_ROWS} rows", _lists(connection, world, chance)),
            ("page of a conversation", _pages(connection, world, chance)),
        ):
            cold, warm = _times(reads, chance), _times(reads, chance)
            yield Figure(
                what=f"{what}, warm",
                value=f"p50 {percentile(warm, 50):.1f} ms, p99 {percentile(warm, 99):.1f} ms",
                target=f"p99 at most {_P99_MS:.0f} ms",
                holds=percentile(warm, 99) <= _P99_MS,
                meaning=f"in the database, among {world.conversations:,} conversations: the second of two runs of "
                f"{READS:,} reads; the first: p50 {percentile(cold, 50):.1f} ms, p99 {percentile(cold, 99):.1f} ms",
            )


def _lists(connection: Connection[Any], world: World, chance: Random) -> list[_Read]:
    ids = [chat.id for chat in world.any(4 * READS, chance)]
    listed = connection.execute(
        "select status::text, reason, phone_number_id, last_at, id from conversations where id = any(%b) and unmanaged",
        [ids],
    ).fetchall()
    return [
        partial(page, connection, _filter(chance, status, reason, number), MAX_ROWS, Cursor(at, id_))
        for status, reason, number, at, id_ in chance.sample(listed, READS)
    ]


def _filter(chance: Random, status: str, reason: int, number: str) -> UnmanagedFilter:
    by_status, by_reason, by_number = (chance.random() < 0.5 for _ in range(3))
    return UnmanagedFilter(
        status=_STATUSES[status] if by_status else None,
        reason=Reason.of_code(reason) if by_reason else None,
        number=number if by_number else None,
    )


def _pages(connection: Connection[Any], world: World, chance: Random) -> list[_Read]:
    return [partial(conversation_page, connection, chat.id) for chat in world.any(READS, chance)]


def _times(reads: Sequence[_Read], chance: Random) -> list[float]:
    """Returns the milliseconds that each read spent in the database, in ascending order."""
    times = []
    for read in chance.sample(reads, len(reads)):
        _Timed.spent = 0.0
        read()
        times.append(_Timed.spent * 1000)
    return sorted(times)


class _Timed(psycopg.Cursor[Any]):
    """Adds up the duration of its statements."""

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
