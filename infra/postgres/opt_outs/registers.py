"""What is known about who wants no messages, as it is stored: of each id, source and scope, the latest opt-out and the
latest end. Neither the order nor the repetition of changes matters. Raises psycopg errors."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.command_bodies.campaigns import OptOutScope
from domain.opt_outs.opt_out import OptOutSource
from infra.postgres.connections.arrays import column_arrays


class OptOutRow(NamedTuple):
    """The key of a stored opt-out, in the order of its locks."""

    phone_number_id: str
    kind: str
    value: str
    source: OptOutSource
    scope: OptOutScope


class OptOutTold(NamedTuple):
    """An opt-out or its end, as it became known. `address`: the phone or user id as it was written."""

    address: str
    at: datetime
    id: UUID
    actor: str
    evidence: str | None


def write_opt_outs(
    connection: Connection[Any], told: Iterable[tuple[OptOutRow, OptOutTold, bool]]
) -> dict[OptOutRow, bool]:
    """Stores opt-outs (True) and ends of opt-outs (False); returns the rows by which somebody has now opted out, or has
    not any more: row -> whether it is in force."""
    latest: dict[bool, dict[OptOutRow, OptOutTold]] = {True: {}, False: {}}
    for row, each, opts_out in told:
        known = latest[opts_out].get(row)
        if known is None or (each.at, each.id) > (known.at, known.id):
            latest[opts_out][row] = each
    rows = []
    for row in sorted(latest[True].keys() | latest[False].keys()):
        opt_out, end = latest[True].get(row), latest[False].get(row)
        address = next(each.address for each in (opt_out, end) if each is not None)
        rows.append((*row, address, *_register(opt_out), *_register(end)))
    if not rows:
        return {}
    found = connection.execute(_WRITE, column_arrays(rows)).fetchall()
    return {OptOutRow(*row[:5]): row[5] for row in found}


def _register(told: OptOutTold | None) -> tuple[datetime | None, UUID | None, str | None, str | None]:
    return (told.at, told.id, told.actor, told.evidence) if told is not None else (None, None, None, None)


_WRITE = """
with told as (
  select phone_number_id, kind::"char" as kind, value, source, scope, address, at, input_id, actor, evidence, ended_at,
    ended_id, ended_by, ended_evidence
  from unnest(
    %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::uuid[], %b::text[],
    %b::text[], %b::timestamptz[], %b::uuid[], %b::text[], %b::text[]
  ) as t (phone_number_id, kind, value, source, scope, address, at, input_id, actor, evidence, ended_at, ended_id,
    ended_by, ended_evidence)
), before as materialized (
  select o.id, o.in_force from told join opt_outs o using (phone_number_id, kind, value, source, scope)
), written as (
  insert into opt_outs as o (phone_number_id, kind, value, source, scope, address, at, input_id, actor, evidence,
    ended_at, ended_id, ended_by, ended_evidence)
  select * from told order by phone_number_id, kind, value, source, scope
  on conflict (phone_number_id, kind, value, source, scope) do update set
    (address, at, input_id, actor, evidence) = (select excluded.address, excluded.at, excluded.input_id, excluded.actor,
      excluded.evidence where coalesce((excluded.at, excluded.input_id) > (o.at, o.input_id), excluded.at is not null)
      union all select o.address, o.at, o.input_id, o.actor, o.evidence limit 1),
    (ended_at, ended_id, ended_by, ended_evidence) = (select excluded.ended_at, excluded.ended_id, excluded.ended_by,
      excluded.ended_evidence where coalesce((excluded.ended_at, excluded.ended_id) > (o.ended_at, o.ended_id),
        excluded.ended_at is not null)
      union all select o.ended_at, o.ended_id, o.ended_by, o.ended_evidence limit 1)
  where coalesce((excluded.at, excluded.input_id) > (o.at, o.input_id), excluded.at is not null)
    or coalesce((excluded.ended_at, excluded.ended_id) > (o.ended_at, o.ended_id), excluded.ended_at is not null)
  returning o.id, o.phone_number_id, o.kind, o.value, o.source, o.scope, o.in_force
)
select w.phone_number_id, w.kind::text, w.value, w.source, w.scope, w.in_force
from written w left join before b using (id) where w.in_force <> coalesce(b.in_force, false)
"""
