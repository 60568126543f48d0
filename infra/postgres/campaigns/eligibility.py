"""Whether a campaign's message may be posted at the moment of its claim: what was planned may be out of date (docs/
design/campaigns.md, *At the claim*). Raises psycopg errors."""

from collections.abc import Collection
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

from domain.campaigns.failures import NumberNow, TemplateNow
from domain.campaigns.recipients import SkipReason
from domain.phone_numbers import phone_key
from domain.sending.sends import Send
from infra.postgres.campaigns.planning import ADDRESSES, REACHED_BY_CAMPAIGN, WITH_ACTIVE_CONVERSATION
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.conversations.holders import HOLDER
from infra.postgres.sending.reports import NUMBERS, TEMPLATES

TEMPLATE_IS_AS_PLANNED: LiteralString = (
    "t.status = 'APPROVED' and t.category = p.category and t.parameter_format = p.parameter_format "
    "and t.components = p.components"
)
"""Whether a template `t` still is as it was planned, `p`."""

MAY_BE_POSTED: LiteralString = (
    "(s.campaign_id is null or exists (select from campaigns k "
    "join campaign_templates p on p.campaign_id = k.id and p.name = s.content #>> '{template,name}' "
    "and p.language = s.content #>> '{template,language,code}' "
    f"join {TEMPLATES} t on t.account_id = k.account_id and t.name = p.name and t.language = p.language "
    f"where k.id = s.campaign_id and k.state = 'running' and {TEMPLATE_IS_AS_PLANNED}))"
)
"""Condition for a send `s`: its campaign is running, and its template is as it was planned. What is not, is not
claimed: the campaign is paused and its sends are withdrawn (`consumers.workers.campaigns`)."""


def skipped_now(connection: Connection[Any], sends: Collection[Send]) -> dict[UUID, SkipReason]:
    """Returns the claimed sends of campaigns that are not posted after all, and why. O(sends)."""
    rows = [
        (s.id, s.campaign_id, s.phone_number_id, phone_key(s.address), *_kind_and_customer(s))
        for s in sends
        if s.campaign_id is not None
    ]
    if not rows:
        return {}
    found: dict[UUID, SkipReason] = dict(connection.execute(_SKIPPED, column_arrays(rows)).fetchall())
    return found


def _kind_and_customer(send: Send) -> tuple[str, UUID | None]:
    return "w" if send.address_kind == "phone" else "u", send.customer_id


_CUSTOMER: LiteralString = (  # of whom it may have become known after the plan whose address it is
    "coalesce(" + HOLDER.format(number="t.number", kind='t.kind::"char"', value="t.key") + ", t.customer)"
)
_REACHED: LiteralString = REACHED_BY_CAMPAIGN.format(
    number="t.number",
    key="a.value",
    within="make_interval(days => (k.terms ->> 'cap_days')::integer)",
    campaign="t.campaign_id",
)
_SKIPPED: LiteralString = (
    "select id, reason from (select t.id, case "
    f"when not k.into_active and {WITH_ACTIVE_CONVERSATION.format(_CUSTOMER, number='t.number')} "
    "then 'active_conversation' "
    "when k.terms ->> 'cap_days' is not null and exists (select from "
    f"{ADDRESSES.format(_CUSTOMER, key='t.key', number='t.number')} a where {_REACHED}) then 'recently_reached' "
    "end as reason from unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::uuid[]) "
    "as t (id, campaign_id, number, key, kind, customer) join campaigns k on k.id = t.campaign_id) s "
    "where reason is not null"
)


def templates_now(connection: Connection[Any], campaign: UUID) -> list[TemplateNow]:
    """Returns a campaign's templates as Meta says they are now."""
    rows = connection.execute(
        "select p.name, p.language, t.status, coalesce(t.category, ''), p.category, "
        "coalesce(t.parameter_format = p.parameter_format and t.components = p.components, false), "
        "coalesce(t.quality, 'UNKNOWN') from campaigns k join campaign_templates p on p.campaign_id = k.id "
        f"left join {TEMPLATES} t on t.account_id = k.account_id and t.name = p.name and t.language = p.language "
        "where k.id = %b order by p.variant",
        [campaign],
    ).fetchall()
    return [TemplateNow(*row) for row in rows]


def number_now(connection: Connection[Any], number: str) -> NumberNow:
    """Returns a number as Meta says it is now, also one that it does not list any more: that may have been stopped."""
    row = connection.execute(
        f"select coalesce((select n.quality from {NUMBERS} n where n.phone_number_id = %(number)b), 'UNKNOWN'), "
        "(select coalesce(l.reason, '') from lanes l where l.phone_number_id = %(number)b "
        "and l.needs_person and greatest(l.paused_until, l.templates_paused_until) > clock_timestamp())",
        {"number": number},
    ).fetchone()
    assert row is not None
    return NumberNow(*row)
