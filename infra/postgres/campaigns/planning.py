"""Rows of a campaign that are planned: read, compared with what is known of their people, and written, a few thousand
with one statement each. Raises psycopg errors."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

from domain.campaigns.campaign import Campaign
from domain.campaigns.plan.planning import ImportedRow, PlannedRow
from infra.postgres.campaigns.counts import CountKey, Moves
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.conversations.holders import HOLDER
from infra.postgres.sending.recipients import MEMBERS

REACHED_BY_CAMPAIGN: LiteralString = (
    "exists (select from recipients o where o.phone_number_id = {number} and o.address_key = {key} "
    "and o.accepted_at > clock_timestamp() - {within} and o.campaign_id <> {campaign} "
    "and o.state in ('claimed', 'accepted', 'sent', 'delivered', 'read', 'unknown', 'assumed_sent'))"
)
"""Condition: another campaign reached an address of a number within a time."""

ADDRESSES: LiteralString = (
    "(select {key} as value union select i.value from customers m cross join lateral ("
    "select k.value from identities k where k.customer_id = m.id and k.phone_number_id = {number} "
    "union all select k.value from identity_periods k where k.customer_id = m.id and k.phone_number_id = {number}"
    ") i where " + MEMBERS + ")"
)
"""Subquery for the phones and user ids of a person; `{0}`: the customer, or null."""

WITH_ACTIVE_CONVERSATION: LiteralString = (
    "exists (select from customers m join conversations c on c.customer_id = m.id where "
    + MEMBERS
    + " and c.phone_number_id = {number} and c.status = 'a' and c.window_ends_at > clock_timestamp())"
)
"""Condition: a customer `{0}` has an active conversation with a number."""

_HOLDER: LiteralString = HOLDER.format(
    number="%(number)b",
    kind="(case k.address_kind when 'phone' then 'w' else 'u' end)::\"char\"",
    value="k.address_key",
)


def last_row(connection: Connection[Any], campaign: UUID) -> int:
    """Returns the number of a campaign's last row; 0: it has none. O(1)."""
    row = connection.execute("select max(row_no) from recipients where campaign_id = %b", [campaign]).fetchone()
    return row[0] or 0 if row is not None else 0


def imported(connection: Connection[Any], campaign: Campaign, after: int, until: int) -> list[ImportedRow]:
    """Returns the rows from `after` (without it) to `until` that are to be planned, in their order. O(rows)."""
    # a range of rows, not the state, decides which index is used: statistics may be older than the rows
    found = connection.execute(
        "with chunk as materialized (select row_no, address, address_kind, address_key, zone, language, state "
        "from recipients where campaign_id = %(campaign)b and row_no > %(after)b and row_no <= %(until)b) "
        "select k.row_no, k.address, k.address_kind, k.address_key, k.zone, k.language, coalesce(m.merged_into, m.id) "
        f"from chunk k cross join lateral (select {_HOLDER} as customer_id offset 0) h "
        "left join customers m on m.id = h.customer_id where k.state = 'imported' order by k.row_no",
        {"campaign": campaign.id, "after": after, "until": until, "number": campaign.phone_number_id},
    ).fetchall()
    return [ImportedRow(*row) for row in found]


def planned_before(connection: Connection[Any], campaign: UUID, people: Collection[str]) -> dict[str, int]:
    """Returns person -> row of those that the plan has already. O(people)."""
    rows = connection.execute(
        "select person, row_no from recipients where campaign_id = %b and person = any(%b::text[])",
        [campaign, [*people]],
    ).fetchall()
    return dict(rows)


def with_active_conversation(connection: Connection[Any], number: str, rows: Iterable[ImportedRow]) -> set[int]:
    """Returns the rows whose customer has an active conversation with the number. O(rows of customers)."""
    known = [(row.row_no, row.customer) for row in rows if row.customer is not None]
    if not known:
        return set()
    found = connection.execute(
        "select t.row_no from unnest(%b::integer[], %b::uuid[]) as t (row_no, customer) where "
        + WITH_ACTIVE_CONVERSATION.format("t.customer", number="%b"),
        [*column_arrays(known), number],
    ).fetchall()
    return {row[0] for row in found}


def reached_within(
    connection: Connection[Any], campaign: Campaign, rows: Sequence[ImportedRow], within: timedelta
) -> set[int]:
    """Returns the rows whose person another campaign of the number reached within a time. O(rows)."""
    if not rows:
        return set()
    reached = REACHED_BY_CAMPAIGN.format(number="n.number", key="a.value", within="n.within", campaign="n.campaign")
    found = connection.execute(
        "select t.row_no from unnest(%b::integer[], %b::text[], %b::uuid[]) as t (row_no, key, customer) "
        "cross join (select %b::text as number, %b::interval as within, %b::uuid as campaign) n where exists (select "
        f"from {ADDRESSES.format('t.customer', key='t.key', number='n.number')} a where {reached})",
        [
            *column_arrays([(row.row_no, row.address_key, row.customer) for row in rows]),
            *(campaign.phone_number_id, within, campaign.id),
        ],
    ).fetchall()
    return {row[0] for row in found}


def write_planned(connection: Connection[Any], campaign: Campaign, rows: Sequence[PlannedRow], moves: Moves) -> None:
    """Writes what the plan makes of rows, in the order of their numbers; their campaign's lock is held. O(rows)."""
    if not rows:
        return
    # joined by the whole key and nothing else: with a range or a state, statistics that are older than the rows led to
    # a nested loop over the chunk, of 20 s
    found = connection.execute(
        "update recipients r set person = t.person, repeats = t.repeats, zone = t.zone, variant = t.variant, "
        "state = t.state, reason = t.reason from unnest(%b::uuid[], %b::integer[], %b::text[], %b::integer[], "
        "%b::text[], %b::smallint[], %b::text[], %b::text[]) "
        "as t (campaign_id, row_no, person, repeats, zone, variant, state, reason) "
        "where r.campaign_id = t.campaign_id and r.row_no = t.row_no returning old.state",
        column_arrays([(campaign.id, *row[:7]) for row in rows]),
    ).fetchall()
    assert [("imported",)] * len(rows) == found, "rows are planned under their campaign's lock"
    moves.add(CountKey(campaign.id, campaign.wave, 0, "imported", ""), -len(rows))
    for (variant, state, reason), n in Counter((row.variant, row.state, row.reason) for row in rows).items():
        moves.add(CountKey(campaign.id, campaign.wave, variant, state, reason or ""), n)


def zone_of_number(connection: Connection[Any], number: str) -> str:
    """Returns the time zone of a business number; UTC if the directory does not have it."""
    row = connection.execute("select time_zone from numbers where phone_number_id = %b", [number]).fetchone()
    return row[0] if row is not None else "UTC"
