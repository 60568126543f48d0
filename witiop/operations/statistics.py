"""Counts all conversations again, as the tables have them, while everything runs; and compares some for `witiop
doctor`."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from consumers.analytics.counting import computed, count_again
from domain.directory import Directory
from domain.statistics.cells import Amounts, StatCell, added, total, with_rollups
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.statistics import cells, contributions, sources

AT_ONCE = 500
"""Conversations in one transaction: while it lasts, a tenth of a second, the process `analytics` waits."""
_SAMPLE = 200
_DAYS = 2
"""How far back `witiop doctor` adds up, besides today."""


class Recount(NamedTuple):
    """How far counting again has come. `wrong`: contributions, or cells, that were not what they should be."""

    conversations: int
    wrong_conversations: int
    days: int = 0
    wrong_cells: int = 0


def rebuild(connection: Connection[Any], directory: Directory) -> Iterator[Recount]:
    """Counts all conversations again and then the cells of each day, and yields how far it has come. `connection`: in
    autocommit mode. May be stopped at any time, and begun again."""
    done, after = Recount(0, 0), None
    while True:
        with connection.transaction():
            contributions.lock_exclusive(connection)
            ids = sources.page_of_ids(connection, after, AT_ONCE)
            wrong = count_again(connection, ids, directory) if ids else 0
        done = done._replace(
            conversations=done.conversations + len(ids), wrong_conversations=done.wrong_conversations + wrong
        )
        yield done
        if len(ids) < AT_ONCE:
            break
        after = ids[-1]
    for day in cells.days(connection):
        with connection.transaction():
            contributions.lock_exclusive(connection)
            missing = missing_in_cells(connection, day)
            cells.add(connection, missing)
        done = done._replace(days=done.days + 1, wrong_cells=done.wrong_cells + len(missing))
        yield done
    with connection.transaction():
        contributions.lock_exclusive(connection)
        cells.add_up_weeks(connection)
    yield done


def missing_in_cells(connection: Connection[Any], day: date) -> dict[StatCell, Amounts]:
    """Returns what has to be added to the cells of a day, so that they are the sums of the contributions."""
    there = cells.on_day(connection, day)
    counted = {**total(contributions.of_day(connection, day)), **cells.of_offers(connection, day)}
    expected = {cell: amounts for cell, amounts in with_rollups(counted).items() if cell.table != "step_weeks"}
    return added(expected, {cell: {place: -n for place, n in amounts.items()} for cell, amounts in there.items()})


class StatisticsCheck(NamedTuple):
    """What is wrong with the numbers, as far as was looked: of the latest conversations, and of the latest days."""

    compared: int
    wrong: int
    wrong_cells: int
    uncounted: int


def check(connection: Connection[Any], directory: Directory) -> StatisticsCheck:
    """Compares the latest conversations with the tables, and the cells of the latest days with the conversations.
    `connection`: in autocommit mode. O(conversations of these days)."""
    with one_snapshot(connection):
        ids: list[UUID] = contributions.latest(connection, _SAMPLE)
        known = contributions.read(connection, ids)
        seen = sources.observed_in_tables(connection, ids)
        current = [each for id_, each in seen.items() if known[id_][0].sequence >= each.head.sequence]
        expected = computed(connection, current, directory)
        wrong = sum(known[of.conversation_id] != (of, each) for of, each in expected)
        days = cells.days(connection, database_now(connection).date() - timedelta(days=_DAYS))
        wrong_cells = sum(len(missing_in_cells(connection, day)) for day in days)
        return StatisticsCheck(len(expected), wrong, wrong_cells, contributions.uncounted(connection))
