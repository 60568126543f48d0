"""Rows of files, as they become recipients. Raises psycopg errors."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier

from domain.campaigns.campaign import Campaign
from infra.postgres.campaigns.counts import CountKey, Moves

_DUPLICATES_SECONDS = 600
"""A million rows take seconds; the usual limit of a statement is too short for a slow disk."""


class BadRow(NamedTuple):
    """A row that nothing is sent to because of what stands in it. `cells`: the whole row, None for a row that repeats
    another; `problems`: (place of the column, problem, value), the first is its reason; `repeats`: the row that it
    repeats."""

    row_no: int
    reason: str
    cells: Sequence[Any] | None
    address: str | None
    name: str | None
    parameters: Mapping[str, str] | None
    repeats: int | None
    problems: Sequence[tuple[int, str, str]]


def copy_recipients(connection: Connection[Any], campaign: Campaign, fields: Sequence[str], lines: bytes) -> None:
    """Adds rows to a campaign. `lines`: in the form of COPY, with these fields, and ended by a line break each: the
    campaign and the number are put before them here, so they are nobody else's."""
    ours = {"campaign_id": str(campaign.id), "phone_number_id": campaign.phone_number_id}
    _copy(connection, "recipients", ours, fields, lines)


def copy_problems(connection: Connection[Any], campaign: Campaign, fields: Sequence[str], lines: bytes) -> None:
    """Adds what is wrong with rows of a campaign, in the same form."""
    _copy(connection, "import_problems", {"campaign_id": str(campaign.id)}, fields, lines)


def _copy(
    connection: Connection[Any], table: str, ours: Mapping[str, str], fields: Sequence[str], lines: bytes
) -> None:
    if not lines:
        return
    columns = SQL(", ").join(map(Identifier, (*ours, *fields)))
    statement = SQL("copy {} ({}) from stdin").format(Identifier(table), columns)
    prefix = "".join(f"{value}\t" for value in ours.values()).encode()
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        # a line break within a value is escaped, so each one ends a row
        copy.write(prefix + lines[:-1].replace(b"\n", b"\n" + prefix) + b"\n")


def skip_duplicates(connection: Connection[Any], campaign: Campaign, moves: Moves) -> int:
    """Skips the rows that name somebody whom an earlier good row names; returns how many. O(rows). It takes long, so it
    does not need the campaign's lock: a row that was cancelled meanwhile stays so."""
    connection.execute(f"set local statement_timeout = '{_DUPLICATES_SECONDS}s'")
    connection.execute("set local work_mem = '64MB'")  # the sort of a million keys stays in memory
    # a campaign that was just imported has no statistics: as if it had one row, the join compared each with each
    connection.execute("set local enable_nestloop = off")
    row = connection.execute(_SKIP_DUPLICATES, {"campaign": campaign.id}).fetchone()
    found = int(row[0]) if row is not None else 0
    moves.add(CountKey(campaign.id, campaign.wave, 0, "imported", ""), -found)
    moves.add(CountKey(campaign.id, campaign.wave, 0, "skipped", "duplicate"), found)
    return found


_SKIP_DUPLICATES: LiteralString = (
    "with ranked as (select row_no, first_value(row_no) over (partition by address_key order by row_no) as first "
    "from recipients where campaign_id = %(campaign)b and state = 'imported'), "
    "repeated as materialized (select row_no, first from ranked where first <> row_no), "
    "skipped as (update recipients r set state = 'skipped', reason = 'duplicate', repeats = k.first from repeated k "
    "where r.campaign_id = %(campaign)b and r.row_no = k.row_no and r.state = 'imported' returning 1) "
    "select count(*) from skipped"
)


def bad_rows(connection: Connection[Any], campaign: UUID, after: int = 0, most: int = 1000) -> list[BadRow]:
    """Returns at most `most` rows after row `after` that nothing is sent to because of what stands in them, in the
    order of the file. O(most)."""
    with connection.cursor(row_factory=class_row(BadRow)) as cursor:
        return cursor.execute(_BAD_ROWS, {"campaign": campaign, "after": after, "most": most}).fetchall()


_BAD_ROWS: LiteralString = (
    "select r.row_no, r.reason, r.cells, r.address, r.name, r.parameters, r.repeats, "
    "coalesce((select jsonb_agg(jsonb_build_array(p.place, p.problem, p.value) "
    "order by (p.problem = r.reason) desc, p.place, p.problem) from import_problems p "
    "where p.campaign_id = r.campaign_id and p.row_no = r.row_no), '[]') as problems "
    "from recipients r where r.campaign_id = %(campaign)b and r.row_no > %(after)b "
    "and (r.cells is not null or r.repeats is not null) order by r.row_no limit %(most)b"
)
