"""What `witiop doctor` asks about campaigns. Raises psycopg errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

RECENT = 20
"""So many of the campaigns that are over have their counters compared, the latest ones."""

RECOUNT = (
    "begin; lock campaign_counts; delete from campaign_counts where campaign_id = '{0}'; insert into campaign_counts "
    "select campaign_id, wave, variant, state, coalesce(reason, ''), count(*) from recipients "
    "where campaign_id = '{0}' group by 1, 2, 3, 4, 5; commit"
)
"""SQL that corrects the counters of a campaign while all processes run: they are written last in a transaction, so what
happens meanwhile is added to what this has counted."""


@dataclass(frozen=True, slots=True)
class CampaignAge:
    """How long a campaign that is not over has been as it is. `seconds`: since it was last changed; `late`: since its
    start was due, or the outcome of its first messages was to be judged, 0 if neither is; `waiting`: time zone ->
    seconds that its recipient who has waited longest has been due, if none of its messages is at the sender;
    `withheld`: whether messages of it still wait at the sender."""

    id: UUID
    seconds: float
    late: float
    waiting: Mapping[str, float]
    withheld: bool


_AGES: LiteralString = (
    "select c.id, extract(epoch from clock_timestamp() - greatest(c.created_at, coalesce((select max(l.at) "
    "from campaign_log l where l.campaign_id = c.id), c.created_at)))::float as seconds, "
    "greatest(0, extract(epoch from clock_timestamp() - case when c.state = 'scheduled' then c.start_at "
    "when c.state = 'running' then c.canary_until end))::float as late, "
    "case when c.state = 'running' and not s.waits then coalesce((select jsonb_object_agg(z.zone, extract(epoch from "
    "clock_timestamp() - greatest(d.due_at, c.started_at))) from jsonb_object_keys(coalesce(c.zones, '{}')) "
    "as z (zone) cross join lateral (select due_at from recipients where campaign_id = c.id and zone = z.zone "
    "and state in ('planned', 'deferred') and due_at <= clock_timestamp() order by due_at, row_no limit 1) d), '{}') "
    "else '{}' end as waiting, s.waits as withheld from campaigns c "
    "cross join lateral (select exists (select from sends where campaign_id = c.id "
    "and state in ('queued', 'held_after_restore')) as waits) s "
    "where c.state not in ('finished', 'ready') and (c.state <> 'cancelled' or c.work is not null or s.waits)"
)


def ages(connection: Connection[Any]) -> dict[UUID, CampaignAge]:
    """Returns campaign -> how long it has been as it is, for those that something may be done for. O(them * zones)."""
    with connection.cursor(row_factory=class_row(CampaignAge)) as cursor:
        return {each.id: each for each in cursor.execute(_AGES).fetchall()}


def to_compare(connection: Connection[Any]) -> list[UUID]:
    """Returns the campaigns whose counters are compared with their recipients: all that are not over, and the latest
    ones."""
    rows = connection.execute(
        "(select id from campaigns where state not in ('finished', 'cancelled')) union "
        "(select id from campaigns order by created_at desc, id desc limit %b)",
        [RECENT],
    ).fetchall()
    return [row[0] for row in rows]


def oldest_waiting_file(connection: Connection[Any]) -> float:
    """Returns the seconds that the oldest file has been waiting to be read; 0 if none is."""
    row = connection.execute(
        "select coalesce(extract(epoch from clock_timestamp() - min(at)), 0)::float from campaign_files "
        "where state = 'waiting'"
    ).fetchone()
    return row[0] if row else 0.0
