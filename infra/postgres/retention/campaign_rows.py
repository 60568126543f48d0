"""Removes what the rows of campaigns say of people, once the campaign has been over for as long as its number keeps
that. The counts stay, and what became of each row. Raises psycopg errors."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg import Connection

from domain.campaigns.campaign import BY_ITSELF
from domain.retention.periods import Retention
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.retention.expiry import horizons

RemovedOfRows = Literal["written", "whole"]
"""What is removed: names, values and cells as the file had them; the addresses too, so that a row names nobody."""

_ROWS = 5000
"""Of one transaction. What is left is looked for from the first row on, so few rows at a time would take long."""
_EVENT = "rows_removed"
_WRITTEN: tuple[LiteralString, ...] = ("name", "parameters", "cells")
_ADDRESSES: tuple[LiteralString, ...] = ("address", "address_kind", "address_key", "person")

_DUE: LiteralString = """
select c.id, k.removed from campaigns c
join unnest(%(removed)b::text[], %(numbers)b::text[], %(before)b::timestamptz[]) as k (removed, number, before)
  on k.number = c.phone_number_id
where c.state in ('finished', 'cancelled') and c.work is null
  and coalesce((select max(l.at) from campaign_log l where l.campaign_id = c.id and l.event <> %(event)b), c.created_at)
    < k.before
  and not exists (select from campaign_log l where l.campaign_id = c.id and l.event = %(event)b
    and l.reason in (k.removed, 'whole'))
order by k.removed = 'written', c.created_at, c.id limit 1
"""


def remove_old_rows(connection: Connection[Any], now: datetime, kept: Mapping[str, Retention], most: int) -> int:
    """Removes what rows of campaigns say, one campaign after the other until that were `most` rows, and notes it in the
    log of each that is done; returns how many rows. O(rows of the campaign)."""
    n = 0
    while n < most and (due := _due(connection, now, kept)) is not None:
        n += _remove(connection, *due)
    return n


def _remove(connection: Connection[Any], campaign: UUID, removed: RemovedOfRows) -> int:
    emptied = _empty_rows(connection, campaign, removed)
    problems = connection.execute(
        "delete from import_problems where campaign_id = %b and row_no in "
        "(select row_no from import_problems where campaign_id = %b order by row_no limit %b)",
        [campaign, campaign, _ROWS],
    ).rowcount
    if emptied < _ROWS and not problems:
        connection.execute(
            "insert into campaign_log (campaign_id, at, event, actor, reason) "
            "values (%b, clock_timestamp(), %b, %b, %b)",
            [campaign, _EVENT, BY_ITSELF, removed],
        )
    return emptied + problems


def _due(
    connection: Connection[Any], now: datetime, kept: Mapping[str, Retention]
) -> tuple[UUID, RemovedOfRows] | None:
    before = [
        *(("written", *each) for each in horizons([(number, of.texts) for number, of in kept.items()], now)),
        *(("whole", *each) for each in horizons([(number, of.history) for number, of in kept.items()], now)),
    ]
    if not before:
        return None
    names, numbers, times = column_arrays(before)
    row = connection.execute(_DUE, {"removed": names, "numbers": numbers, "before": times, "event": _EVENT}).fetchone()
    return (row[0], row[1]) if row is not None else None


def _empty_rows(connection: Connection[Any], campaign: UUID, removed: RemovedOfRows) -> int:
    columns = (*_WRITTEN, *_ADDRESSES) if removed == "whole" else _WRITTEN
    emptied: LiteralString = ", ".join([f"{column} = null" for column in columns])
    filled: LiteralString = " or ".join([f"{column} is not null" for column in columns])
    return connection.execute(
        f"update recipients r set {emptied} from (select row_no from recipients where campaign_id = %(campaign)b "
        f"and ({filled}) order by row_no limit %(rows)b for update) old "
        "where r.campaign_id = %(campaign)b and r.row_no = old.row_no",
        {"campaign": campaign, "rows": _ROWS},
    ).rowcount
