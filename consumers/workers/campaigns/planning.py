"""Plans a campaign: its rows become recipients or are skipped, some thousands at a time (docs/design/campaigns.md,
*Plan*). After a crash another process goes on behind the last rows that were committed."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from domain.campaigns.campaign import BY_ITSELF, Campaign, CampaignTemplate, cancel
from domain.campaigns.plan.planning import ImportedRow, KnownPeople, PlanRules, plan_rows, variant_of
from domain.conversations.customers.identities import IdentityKey
from domain.topics import Topics
from infra.phones.countries import country_of, zone_of
from infra.postgres.campaigns import campaigns, planning
from infra.postgres.campaigns.counts import Moves
from infra.postgres.opt_outs.in_force import opted_out_addresses
from infra.process.crash_points import crash_point

ROWS = 5000
"""Rows of one transaction: its lock keeps commands about the campaign waiting for about half a second."""


def plan(connection: Connection[Any], topics: Topics, campaign: Campaign, rules: PlanRules, now: datetime) -> Campaign:
    """Plans the next rows of a campaign, whose lock the caller holds; returns it, ready after the last of them."""
    work = campaign.work or {}
    after = int(work.get("row", 0)) if work.get("step") == "plan" else 0
    until, last = after + ROWS, planning.last_row(connection, campaign.id)
    rows = [_placed(row) for row in planning.imported(connection, campaign, after, until)]
    templates = campaigns.templates_of(connection, campaign)
    standing = _standing(connection, campaign, rows, templates)
    zone = campaign.terms.get("zone") or planning.zone_of_number(connection, campaign.phone_number_id)
    planned = plan_rows(rows, standing, templates, rules, zone)
    zones = _added(work.get("zones", {}), (row.zone for row in planned if row.state == "planned"))
    countries = dict(work.get("countries", {}))
    for template in templates:
        name = str(template.variant)
        chosen = [row.country for row in planned if row.state == "planned" and row.variant == template.variant]
        countries[name] = _added(countries.get(name, {}), chosen)
    moves = Moves()
    planning.write_planned(connection, campaign, planned, moves)
    moves.write(connection)
    crash_point("campaigns.before-plan-commit")
    if until < last:
        work = {"step": "plan", "row": until, "last": last, "zones": zones, "countries": countries}
        return change_campaign(connection, topics, campaign, replace(campaign, work=work), now)
    return _end(connection, topics, replace(campaign, work=None, zones=zones, countries=countries), now)


def _end(connection: Connection[Any], topics: Topics, planned: Campaign, now: datetime) -> Campaign:
    """Returns the campaign, ready; one that nobody gets is cancelled."""
    if planned.recipients:
        return change_campaign(connection, topics, planned, planned.to("ready"), now)
    nobody = cast(Campaign, cancel(planned, BY_ITSELF, now, "nobody"))
    return change_campaign(connection, topics, planned, nobody, now)


def _placed(row: ImportedRow) -> ImportedRow:
    country = country_of(row.address_kind, row.address)
    return ImportedRow(*row[:7], country, zone_of(country) if country else None)


def _standing(
    connection: Connection[Any],
    campaign: Campaign,
    rows: Sequence[ImportedRow],
    templates: Sequence[CampaignTemplate],
) -> KnownPeople:
    """Returns what is known of the rows' people."""
    number, cap_days = campaign.phone_number_id, campaign.terms.get("cap_days")
    return KnownPeople(
        earlier=planning.planned_before(connection, campaign.id, {row.person for row in rows}),
        opted_out=_opted_out(connection, number, rows, templates),
        active=() if campaign.into_active else planning.with_active_conversation(connection, number, rows),
        recently_reached=planning.reached_within(connection, campaign, rows, timedelta(days=cap_days))
        if cap_days
        else (),
    )


def _opted_out(
    connection: Connection[Any], number: str, rows: Sequence[ImportedRow], templates: Sequence[CampaignTemplate]
) -> Collection[int]:
    """Returns the rows of people who do not want the template that they would get."""
    keys = [IdentityKey(number, "w" if row.address_kind == "phone" else "u", row.address_key) for row in rows]
    scopes = opted_out_addresses(connection, set(keys))
    if not scopes:
        return ()
    said = [(row, scopes[key]) for row, key in zip(rows, keys, strict=True) if key in scopes]
    return {row.row_no for row, scope in said if scope == "all" or variant_of(row, templates).template.is_marketing}


def _added(counted: Mapping[str, int], more: Any) -> dict[str, int]:  # noqa: ANN401 - texts
    return dict(Counter(counted) + Counter(more))
