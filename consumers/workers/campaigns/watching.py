"""Watches a running campaign: it is paused with a reason where too much fails or Meta says that something is wrong, and
its first messages are judged before the others follow (docs/design/campaigns.md, *Watching*)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from consumers.changes.campaigns import change_campaign, publish
from domain.campaigns.campaign import BY_ITSELF, Campaign
from domain.campaigns.canary import WAIT, CanaryTerms, canary_outcome, canary_problem, canary_size
from domain.campaigns.document import StateCount
from domain.campaigns.failures import (
    noted,
    seen_from,
    seen_in,
    settled_thousands,
    too_many_failures,
    trouble_at_meta,
)
from domain.topics import Topics
from infra.postgres.campaigns import campaigns, eligibility


class CanaryStep(NamedTuple):
    """Where a campaign stands with its first messages. `most`: so many more may be handed over; None: any number."""

    campaign: Campaign
    most: int | None


def watch(
    connection: Connection[Any], topics: Topics, campaign: Campaign, counts: Sequence[StateCount], now: datetime
) -> Campaign:
    """Returns a running campaign, whose lock the caller holds, after a look at how it goes: paused if need be. An event
    tells of each thousand of its recipients that are settled."""
    templates = eligibility.templates_now(connection, campaign.id)
    number = eligibility.number_now(connection, campaign.phone_number_id)
    seen, before = seen_in(counts), seen_from(campaign.watch)
    trouble = trouble_at_meta(campaign, templates, number) or too_many_failures(before, seen)
    if trouble is not None:
        paused = campaign.to("paused", BY_ITSELF, trouble.reason, trouble.detail)
        return change_campaign(connection, topics, campaign, paused, now)
    thousands = settled_thousands(counts)
    told = int((campaign.watch or {}).get("told", thousands))
    kept = [list(each) for each in noted(before, seen)]
    after = replace(campaign, watch={"seen": kept, "told": max(told, thousands)})
    if after.watch != campaign.watch:
        campaigns.write(connection, after)
    if thousands > told:
        publish(connection, topics, after, "progress", now)
    return after


def canary(
    connection: Connection[Any],
    topics: Topics,
    campaign: Campaign,
    counts: Sequence[StateCount],
    terms: CanaryTerms,
    now: datetime,
) -> CanaryStep:
    """Returns how far a running campaign, whose lock the caller holds, may go with its first messages; paused if they
    went badly."""
    size = canary_size(campaign, terms)
    if size == 0 or campaign.canary_passed:
        return CanaryStep(campaign, None)
    outcome = canary_outcome(counts)
    claimed = sum(count.n for count in counts if count.state == "claimed")
    if campaign.canary_until is None:
        if outcome.posted + claimed < size:
            return CanaryStep(campaign, size - outcome.posted - claimed)
        if claimed:
            return CanaryStep(campaign, 0)
        waits = replace(campaign, canary_until=now + WAIT)
        return CanaryStep(change_campaign(connection, topics, campaign, waits, now, "canary", str(outcome.posted)), 0)
    if now < campaign.canary_until:
        return CanaryStep(campaign, 0)
    if (problem := canary_problem(outcome)) is not None:
        paused = campaign.to("paused", BY_ITSELF, "canary", problem)
        return CanaryStep(change_campaign(connection, topics, campaign, paused, now), 0)
    passed = replace(campaign, canary_until=None, canary_passed=True)
    return CanaryStep(change_campaign(connection, topics, campaign, passed, now, "canary_passed"), None)
