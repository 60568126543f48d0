"""Whether a campaign's message may be posted at the moment of its claim: what was planned may be out of date (docs/
design/campaigns.md, *At the claim*). Raises psycopg errors."""

from collections.abc import Collection
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

from domain.phone_numbers import phone_key
from domain.sending.sends import Send
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.sending.recipients import MEMBERS
from infra.postgres.sending.reports import TEMPLATES

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


def skipped_now(connection: Connection[Any], sends: Collection[Send]) -> dict[UUID, str]:
    """Returns the claimed sends of campaigns that are not posted after all, and why."""
    rows = [
        (s.id, s.campaign_id, s.phone_number_id, "w" if s.address_kind == "phone" else "u", phone_key(s.address))
        for s in sends
        if s.campaign_id is not None
    ]
    if not rows:
        return {}
    found = connection.execute(
        "select t.id from unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[]) "
        "as t (id, campaign_id, number, kind, value) join campaigns k on k.id = t.campaign_id and not k.into_active "
        "where exists (select from identities i join customers m on true join conversations c on c.customer_id = m.id "
        'where i.phone_number_id = t.number and i.kind = t.kind::"char" and i.value = t.value '
        f"and {MEMBERS.format('i.customer_id')} and c.phone_number_id = t.number and c.status = 'a' "
        "and c.window_ends_at > clock_timestamp())",
        column_arrays(rows),
    ).fetchall()
    return {row[0]: "active_conversation" for row in found}
