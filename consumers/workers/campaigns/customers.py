"""Freezes the customers who fit a campaign's filter as its rows, some thousands at a time. After a crash another
process goes on behind the last customer that was committed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from domain.campaigns.campaign import Campaign
from domain.campaigns.plan.customers import CustomerRows
from domain.command_bodies.campaigns import FromCustomers
from domain.topics import Topics
from infra.phones.countries import calling_codes_of
from infra.postgres.campaigns import campaigns, customers
from infra.postgres.campaigns.counts import Moves
from infra.process.crash_points import crash_point

ROWS = 5000
"""Customers that one transaction looks at."""
_NOBODY = UUID(int=0)


def freeze_customers(connection: Connection[Any], topics: Topics, campaign: Campaign, now: datetime) -> Campaign:
    """Makes rows of the next customers who fit a campaign's filter, and returns the campaign, whose lock the caller
    holds; it is to be planned after the last of them."""
    source = FromCustomers.model_validate(campaign.source["customers"])
    work: Mapping[str, Any] = campaign.work or {}
    after, row = UUID(work["after"]) if "after" in work else _NOBODY, int(work.get("row", 0))
    codes = calling_codes_of(source.language) if source.language else None
    wanted = customers.filter_of(source, campaign.phone_number_id, codes)
    found, last = customers.fitting(connection, wanted, after, ROWS)
    templates = [each.template for each in campaigns.templates_of(connection, campaign)]
    rows, moves = CustomerRows(source.values, templates), Moves()
    customers.add_rows(connection, campaign, [rows.row(each) for each in found], row + 1, moves)
    moves.write(connection)
    crash_point("campaigns.before-customers-commit")
    if last is not None:
        work = {"step": "customers", "after": str(last), "row": row + len(found)}
        return change_campaign(connection, topics, campaign, replace(campaign, work=work), now)
    return change_campaign(connection, topics, campaign, replace(campaign, work=None).to("planning"), now)
