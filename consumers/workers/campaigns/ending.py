"""The end of a campaign: nothing is left to be posted, then no status is to come; or it was cancelled, and who has not
got it does not get it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from domain.campaigns.campaign import Campaign, end, go_on
from domain.campaigns.document import StateCount
from domain.topics import Topics
from infra.postgres.campaigns import campaigns, waves
from infra.postgres.campaigns.counts import Moves, counts_of
from infra.process.crash_points import crash_point

ROWS = 5000
"""Recipients of one transaction."""
STATUSES_WITHIN = timedelta(hours=72)
"""So long after its last message statuses of a campaign are waited for; less if its templates are not delivered later:
almost all come within minutes, some when a phone is switched on after a weekend."""
_TO_POST = frozenset({"imported", "planned", "deferred", "claimed"})
_OPEN = frozenset({*_TO_POST, "accepted", "sent", "delivered", "unknown", "assumed_sent"})


def has_to_post(counts: Iterable[StateCount]) -> bool:
    """Whether something is left to be posted, or is being posted."""
    return any(count.state in _TO_POST for count in counts)


def end_posting(connection: Connection[Any], topics: Topics, campaign: Campaign, now: datetime) -> Campaign:
    """Returns a running campaign, whose lock the caller holds, ending."""
    return change_campaign(connection, topics, campaign, end(campaign, now), now)


def finish(connection: Connection[Any], topics: Topics, campaign: Campaign, now: datetime) -> Campaign:
    """Returns an ending campaign, whose lock the caller holds: finished if no status is to come; running if something
    is to be posted again, e.g. a message of which nobody knew whether it was sent."""
    counts = counts_of(connection, campaign.id)
    if has_to_post(counts):
        return change_campaign(connection, topics, campaign, go_on(campaign), now)
    within = [each.template.delivered_within for each in campaigns.templates_of(connection, campaign)]
    over_at = (campaign.ended_at or now) + min(STATUSES_WITHIN, max(within, default=STATUSES_WITHIN))
    if now < over_at and any(count.state in _OPEN for count in counts):
        return campaign
    return change_campaign(connection, topics, campaign, campaign.to("finished"), now)


def cancel_rest(connection: Connection[Any], topics: Topics, campaign: Campaign, now: datetime) -> bool:
    """Cancels the next recipients of a cancelled campaign, whose lock the caller holds and whose waiting sends were
    withdrawn; returns whether there were any. Messages that are being posted are waited for: they may come back."""
    moves = Moves()
    cancelled = waves.cancel_rest(connection, campaign.id, ROWS, moves)
    moves.write(connection)
    crash_point("campaigns.before-cancel-commit")
    if not cancelled and not has_to_post(counts_of(connection, campaign.id)):
        change_campaign(connection, topics, campaign, replace(campaign, work=None), now)
    return cancelled > 0
