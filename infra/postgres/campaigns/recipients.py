"""Recipients of campaigns whose message is handed to the sender, and what becomes of it. Raises psycopg errors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import kwargs_row

from domain.campaigns.recipients import CampaignRecipient, RecipientChange, SkipReason
from infra.postgres.campaigns.counts import CountKey, Moves
from infra.postgres.connections.arrays import column_arrays

COLUMNS: LiteralString = (
    "campaign_id, row_no, phone_number_id, address, address_kind, person, parameters, zone, wave, variant, attempt, "
    "state"
)
"""Columns under the names of the fields of `CampaignRecipient`."""


_CHANGED: LiteralString = (
    "returning r.campaign_id, r.wave, r.variant, old.state, coalesce(old.reason, ''), new.state, "
    "coalesce(new.reason, '')"
)
"""What is counted of changed recipients `r`."""


class RecipientSend(NamedTuple):
    """What a send means for its recipient."""

    campaign_id: UUID
    row_no: int
    send_id: UUID
    change: RecipientChange


def take(connection: Connection[Any], campaign: UUID, zones: Sequence[str], most: int) -> list[CampaignRecipient]:
    """Locks and returns at most `most` recipients of these time zones whose message is due. O(zones * most)."""
    if most <= 0 or not zones:
        return []
    with connection.cursor(row_factory=kwargs_row(CampaignRecipient)) as cursor:
        return cursor.execute(
            f"select {COLUMNS} from recipients r where (campaign_id, row_no) in ("
            "select %(campaign)s, d.row_no from unnest(%(zones)s::text[]) as z (zone) cross join lateral ("
            "select due_at, row_no from recipients where campaign_id = %(campaign)s and zone = z.zone "
            "and state in ('planned', 'deferred') and due_at <= clock_timestamp() order by due_at, row_no "
            "limit %(most)s) d order by d.due_at, d.row_no limit %(most)s) "
            "and state in ('planned', 'deferred') order by row_no for update skip locked",
            {"campaign": campaign, "zones": [*zones], "most": most},
        ).fetchall()


def keep_claimed(connection: Connection[Any], claimed: Mapping[UUID, CampaignRecipient], moves: Moves) -> None:
    """Notes that the messages of locked recipients were handed to the sender. `claimed`: send -> recipient."""
    rows = [(r.campaign_id, r.row_no, send) for send, r in claimed.items()]
    if not rows:
        return
    _count(
        moves,
        connection.execute(
            "update recipients r set state = 'claimed', reason = null, attempt = r.attempt + 1, send_id = t.send_id, "
            "accepted_at = null from unnest(%b::uuid[], %b::integer[], %b::uuid[]) as t (campaign_id, row_no, send_id) "
            f"where r.campaign_id = t.campaign_id and r.row_no = t.row_no {_CHANGED}",
            column_arrays(rows),
        ).fetchall(),
    )


def skip(connection: Connection[Any], skipped: Iterable[CampaignRecipient], reason: SkipReason, moves: Moves) -> None:
    """Notes that locked recipients get no message."""
    rows = [(r.campaign_id, r.row_no) for r in skipped]
    if not rows:
        return
    _count(
        moves,
        connection.execute(
            "update recipients r set state = 'skipped', reason = %b "
            "from unnest(%b::uuid[], %b::integer[]) as t (campaign_id, row_no) "
            f"where r.campaign_id = t.campaign_id and r.row_no = t.row_no {_CHANGED}",
            [reason, *column_arrays(rows)],
        ).fetchall(),
    )


def zones_of(connection: Connection[Any], rows: Iterable[tuple[UUID, int]]) -> dict[tuple[UUID, int], str]:
    """Returns campaign and row -> the recipient's time zone. O(rows)."""
    found = connection.execute(
        "select r.campaign_id, r.row_no, r.zone from unnest(%b::uuid[], %b::integer[]) as t (campaign_id, row_no) "
        "join recipients r using (campaign_id, row_no) where r.zone is not null",
        column_arrays(sorted(rows)),
    ).fetchall()
    return {(campaign, row_no): zone for campaign, row_no, zone in found}


def follow_sends(connection: Connection[Any], changes: Iterable[RecipientSend], moves: Moves) -> None:
    """Writes what changes of their last sends mean for recipients. `changes`: one for each send; those of earlier sends
    of a recipient change nothing."""
    rows = sorted(
        (s.campaign_id, s.row_no, s.send_id, *s.change._replace(reason=s.change.reason or "")) for s in changes
    )
    if not rows:
        return
    _count(
        moves,
        connection.execute(
            "update recipients r set state = t.state, reason = nullif(t.reason, ''), "
            "accepted_at = case when t.state in ('failed', 'planned', 'deferred', 'skipped') then null "
            "else coalesce(r.accepted_at, t.accepted_at) end, due_at = coalesce(t.due_at, r.due_at) "
            "from unnest(%b::uuid[], %b::integer[], %b::uuid[], %b::text[], %b::text[], %b::timestamptz[], "
            "%b::timestamptz[]) as t (campaign_id, row_no, send_id, state, reason, accepted_at, due_at) "
            "where r.campaign_id = t.campaign_id and r.row_no = t.row_no and r.send_id = t.send_id "
            f"and (r.state, coalesce(r.reason, '')) <> (t.state, t.reason) {_CHANGED}",
            column_arrays(rows),
        ).fetchall(),
    )


def _count(moves: Moves, changed: Iterable[tuple[Any, ...]]) -> None:
    for campaign, wave, variant, *states in changed:
        before, reason, after, new_reason = states
        moves.add(CountKey(campaign, wave, variant, before, reason), -1)
        moves.add(CountKey(campaign, wave, variant, after, new_reason))


class FrozenRow(NamedTuple):
    """What the message of a row is made of."""

    row_no: int
    variant: int
    parameters: dict[str, str]


def good_row(connection: Connection[Any], campaign: UUID, row_no: int | None) -> FrozenRow | None:
    """Returns a planned row, by default the first one that is not skipped; None: there is none. O(states and reasons):
    the first row of each is found by its index."""
    if row_no is None:
        query: LiteralString = (
            "select min(r.row_no) from campaign_counts k cross join lateral ("
            "(select row_no from recipients where campaign_id = k.campaign_id and state = k.state "
            "and reason = k.reason order by row_no limit 1) union all "
            "(select row_no from recipients where campaign_id = k.campaign_id and state = k.state "
            "and reason is null and k.reason = '' order by row_no limit 1)) r "
            "where k.campaign_id = %b and k.n > 0 and k.state not in ('imported', 'skipped')"
        )
        found = connection.execute(query, [campaign]).fetchone()
        row_no = found[0] if found is not None else None
    row = connection.execute(
        "select row_no, variant, parameters from recipients where campaign_id = %b and row_no = %b "
        "and person is not null and parameters is not null",
        [campaign, row_no],
    ).fetchone()
    return FrozenRow._make(row) if row is not None else None


def frozen_rows(connection: Connection[Any], campaign: UUID, row_nos: Sequence[int]) -> list[FrozenRow]:
    """Returns planned rows, in the order of the file."""
    rows = connection.execute(
        "select row_no, variant, parameters from recipients where campaign_id = %b and row_no = any(%b::integer[]) "
        "and person is not null and parameters is not null order by row_no",
        [campaign, [*row_nos]],
    ).fetchall()
    return [FrozenRow._make(row) for row in rows]


def unknown_sends(connection: Connection[Any], campaign: UUID, row_no: int | None) -> list[UUID]:
    """Returns the sends of recipients of whom nobody knows whether they got the message, or of one, in the order in
    which sends are locked. Takes no lock."""
    if row_no is None:
        rows = connection.execute(
            "select send_id from recipients where campaign_id = %b and state = 'unknown' order by send_id", [campaign]
        ).fetchall()
    else:
        rows = connection.execute(
            "select send_id from recipients where campaign_id = %b and row_no = %b and state = 'unknown'",
            [campaign, row_no],
        ).fetchall()
    return [row[0] for row in rows]
