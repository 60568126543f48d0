"""Customers of a business number who fit a filter, as recipients of a campaign. Raises psycopg errors."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from pydantic_core import to_json

from domain.campaigns.campaign import Campaign
from domain.campaigns.plan.customers import CustomerRow, FoundCustomer
from domain.command_bodies.campaigns import FromCustomers
from domain.conversations.reasons import Reason
from domain.phone_numbers import phone_key
from infra.postgres.campaigns.counts import CountKey, Moves
from infra.postgres.connections.arrays import column_arrays

_MEMBERS: LiteralString = "(select k.id union all select u.id from customers u where u.merged_into = k.id)"
_FITTING: LiteralString = (
    "from customers k cross join lateral (select c.* from conversations c where c.phone_number_id = %(number)b "
    f"and c.customer_id in {_MEMBERS} order by c.opened_at desc limit 1) c "
    "where k.merged_into is null and (c.wa_id is not null or c.user_id is not null) "
    "and (%(since)b::timestamptz is null or c.last_at >= %(since)b) "
    "and (%(until)b::timestamptz is null or c.last_at < %(until)b) "
    "and (%(reasons)b::smallint[] is null or (c.unmanaged and c.reason = any(%(reasons)b::smallint[]))) "
    "and (%(codes)b::text is null or c.wa_id ~ %(codes)b) "
    "and (%(campaign)b::uuid is null or exists (select from recipients r where r.campaign_id = %(campaign)b "
    f"and r.person = any(array(select m.id::text from {_MEMBERS} m union all "
    f"select i.value from {_MEMBERS} m join identities i on i.customer_id = m.id "
    "where i.phone_number_id = %(number)b)) and r.accepted_at is not null "
    "and (%(answered)b::boolean is null or (r.answered_at is not null) = %(answered)b::boolean)))"
)
"""Customers `k` with their latest conversation `c`. A customer may have got the earlier campaign before they had
written, or under an id of which it became known later that it is theirs."""


class CustomerFilter(NamedTuple):
    """Which customers of a number are meant. `reasons`: codes of why their latest conversation was left alone; None:
    any customer; `codes`: calling codes of their phone; `campaign`: who got it; `answered`: whether they answered."""

    number: str
    since: datetime | None = None
    until: datetime | None = None
    reasons: Sequence[int] | None = None
    codes: Sequence[str] | None = None
    campaign: UUID | None = None
    answered: bool | None = None

    def values(self) -> dict[str, Any]:
        codes = f"^({'|'.join(self.codes) or 'x'})" if self.codes is not None else None
        reasons = list(self.reasons) if self.reasons is not None else None
        return {**self._asdict(), "codes": codes, "reasons": reasons}


def filter_of(source: FromCustomers, number: str, codes: Sequence[str] | None) -> CustomerFilter:
    """Returns the filter that a command names, for a number. `codes`: calling codes of the countries of its language;
    None: it names none."""
    known = {reason.value: reason.code for reason in Reason}
    reasons = [known[name] for name in source.reasons if name in known] if source.reasons else None
    since, until = source.wrote_since, source.wrote_until
    return CustomerFilter(number, since, until, reasons, codes, source.campaign_id, source.answered)


def count_fitting(connection: Connection[Any], wanted: CustomerFilter) -> int:
    """Returns how many customers fit. O(customers), about 10 s for a million: for a person who waits for it."""
    row = connection.execute(f"select count(*) {_FITTING}", wanted.values()).fetchone()
    return row[0] if row is not None else 0


def fitting(
    connection: Connection[Any], wanted: CustomerFilter, after: UUID, most: int
) -> tuple[list[FoundCustomer], UUID | None]:
    """Looks at the next `most` customers behind one, in the order of their ids; returns those who fit, and the last one
    looked at, None: there are no more. O(most), however few fit."""
    row = connection.execute(
        "select id from customers where id > %b order by id offset %b limit 1", [after, most - 1]
    ).fetchone()
    last = row[0] if row is not None else None
    rows = connection.execute(
        f"select k.id, c.customer_name, c.wa_id, c.user_id {_FITTING} and k.id > %(after)b "
        "and k.id <= coalesce(%(last)b::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') order by k.id",
        {**wanted.values(), "after": after, "last": last},
    ).fetchall()
    return [FoundCustomer(*row) for row in rows], last


def add_rows(
    connection: Connection[Any], campaign: Campaign, rows: Iterable[CustomerRow], first: int, moves: Moves
) -> None:
    """Stores rows of a campaign, numbered from `first` on."""
    values = []
    for row_no, row in enumerate(rows, first):
        kind, address = row.customer.address
        state = "skipped" if row.problem else "imported"
        key = phone_key(address) if kind == "phone" else address
        parameters = to_json(row.parameters).decode()
        values.append((row_no, address, kind, key, row.name or None, parameters, state, row.problem))
        moves.add(CountKey(campaign.id, campaign.wave, 0, state, row.problem or ""))
    if values:
        connection.execute(
            "insert into recipients (campaign_id, phone_number_id, row_no, address, address_kind, address_key, name, "
            "parameters, state, reason) select %b, %b, row_no, address, kind, key, name, parameters::jsonb, state, "
            "reason from unnest(%b::integer[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], "
            "%b::text[]) as t (row_no, address, kind, key, name, parameters, state, reason)",
            [campaign.id, campaign.phone_number_id, *column_arrays(values)],
        )
