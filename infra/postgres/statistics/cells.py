"""The cells: sums of what conversations contribute. Raises psycopg errors."""

from collections.abc import Mapping
from datetime import date
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection

from domain.statistics.buckets import LAST_BUCKET
from domain.statistics.cells import Amounts, CellTable, StatCell
from infra.postgres.connections.arrays import column_arrays


class _Table(NamedTuple):
    """A table of cells: its key and its sums, each with the types of the columns."""

    key: LiteralString
    key_types: LiteralString
    sums: tuple[LiteralString, ...]


_HOURS: tuple[LiteralString, ...] = (
    *("00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11"),
    *("12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23"),
)
_DIGITS: tuple[LiteralString, ...] = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
LEFT_ALONE: tuple[LiteralString, ...] = tuple(f"u{hour}" for hour in _HOURS)
LOST: tuple[LiteralString, ...] = tuple(f"l{hour}" for hour in _HOURS)
"""The columns of hours."""
BUCKETS: tuple[LiteralString, ...] = tuple(f"b{tens}{ones}" for tens in _DIGITS for ones in _DIGITS)[: LAST_BUCKET + 1]

_TABLES: Mapping[CellTable, _Table] = {
    "agents": _Table(
        "day, phone_number_id, agent_id",
        "%b::date[], %b::text[], %b::text[]",
        ("offered", "accepted", "declined", "lapsed"),
    ),
    "hours": _Table(
        "day, phone_number_id, reason",
        "%b::date[], %b::text[], %b::text[]",
        ("opened", "touched", "unmanaged", "rescued", "lost", "open", "dismissed", *LEFT_ALONE, *LOST),
    ),
    "rules": _Table("day, phone_number_id, rule", "%b::date[], %b::text[], %b::text[]", ("acted", "rescued")),
    "step_weeks": _Table("day, phone_number_id, step", "%b::date[], %b::text[], %b::text[]", ("shown", "left_here")),
    "steps": _Table("day, phone_number_id, step", "%b::date[], %b::text[], %b::text[]", ("shown", "left_here")),
    "times": _Table("day, phone_number_id, kind", "%b::date[], %b::text[], %b::text[]", BUCKETS),
}
"""In the order in which they are written."""
_OF_DAYS: tuple[CellTable, ...] = ("agents", "hours", "rules", "steps", "times")


def add(connection: Connection[Any], changes: Mapping[StatCell, Amounts]) -> None:
    """Adds to the cells, sorted by table and key: many transactions change the same few."""
    for name, table in _TABLES.items():
        places = range(len(table.sums))
        rows = sorted(
            (*cell.key, *(amounts.get(place, 0) for place in places))
            for cell, amounts in changes.items()
            if cell.table == name
        )
        if rows:
            connection.execute(_statement(name, table), column_arrays(rows))


def on_day(connection: Connection[Any], day: date) -> dict[StatCell, Amounts]:
    """Returns all cells of a day, without those that are 0, and without those of weeks."""
    found: dict[StatCell, Amounts] = {}
    for name in _OF_DAYS:
        table = _TABLES[name]
        sums = ", ".join(table.sums)
        for row in connection.execute(f"select {table.key}, {sums} from stat_{name} where day = %b", [day]):
            if amounts := {place: n for place, n in enumerate(row[3:]) if n}:
                found[StatCell(name, tuple(row[:3]))] = amounts
    return found


def add_up_weeks(connection: Connection[Any]) -> None:
    """Adds up the steps of all weeks again. The caller holds the exclusive lock. O(steps of all days)."""
    connection.execute("delete from stat_step_weeks")
    connection.execute(
        "insert into stat_step_weeks (day, phone_number_id, step, shown, left_here) "
        "select date_trunc('week', day)::date, phone_number_id, step, sum(shown), sum(left_here) from stat_steps "
        "group by 1, 2, 3 having sum(shown) <> 0 or sum(left_here) <> 0"
    )


def of_offers(connection: Connection[Any], day: date) -> dict[StatCell, Amounts]:
    """Returns the cells of agents of a day, counted from what they were offered."""
    rows = connection.execute(
        "select day, phone_number_id, agent_id, count(*), count(*) filter (where result = 'accepted'), "
        "count(*) filter (where result = 'declined'), count(*) filter (where result = 'lapsed') "
        "from stat_offers where day = %b group by 1, 2, 3",
        [day],
    )
    return {StatCell("agents", tuple(row[:3])): {p: n for p, n in enumerate(row[3:]) if n} for row in rows}


def days(connection: Connection[Any], since: date = date.min) -> list[date]:
    """Returns the days on which something is counted, in order, from one day on."""
    rows = connection.execute(
        "select day from stat_hours where day >= %(since)s union select day from stat_agents where day >= %(since)s "
        "union select day from stat_contributions where day >= %(since)s "
        "union select day from stat_offers where day >= %(since)s order by 1",
        {"since": since},
    )
    return [day for (day,) in rows]


def _statement(name: LiteralString, table: _Table) -> LiteralString:
    sums = ", ".join(table.sums)
    added = ", ".join(f"{each} = s.{each} + excluded.{each}" for each in table.sums)
    types = ", ".join("%b::integer[]" for _ in table.sums)
    return (
        f"insert into stat_{name} as s ({table.key}, {sums}) select * from unnest({table.key_types}, {types}) "
        f"on conflict ({table.key}) do update set {added}"
    )
