"""What becomes of a campaign, with its log and the public events about it. Shared by the consumer of commands and by
the process that runs campaigns."""

from datetime import datetime
from typing import Any

from prometheus_client import Counter
from psycopg import Connection
from pydantic_core import to_json

from consumers.changes.public_events import SOURCE
from domain.campaigns.campaign import Campaign
from domain.campaigns.document import CampaignEvent, campaign_document
from domain.event_headers import event_headers
from domain.ids import fact_id
from domain.topics import Topics
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.answers import answer_counts_of
from infra.postgres.campaigns.campaigns import CampaignLogEntry
from infra.postgres.campaigns.counts import counts_of
from infra.postgres.messaging.outbox import Outbox, OutboxRecord

_CHANGED = Counter("witiop_campaigns_changed", "Campaigns that came into a state.", ["state"])


def change_campaign(
    connection: Connection[Any],
    topics: Topics,
    before: Campaign,
    after: Campaign,
    now: datetime,
    event: str | None = None,
    detail: str | None = None,
    by: str | None = None,
) -> Campaign:
    """Writes a campaign whose lock the caller holds, with what is said about it, and returns it. `event`: what
    happened, for its log; None: that it has reached its state; `detail`: by default that of the state that it reached;
    `by`: by default who brought it into its state."""
    if after == before and event is None:
        return after
    if after != before:
        campaigns.write(connection, after)
    said = event or (after.state if after.state != before.state else None)
    if said is not None:
        why = (after.reason, detail or after.detail) if after.state != before.state else (None, detail)
        entry = CampaignLogEntry(now, said, by or after.changed_by, *why)
        campaigns.write_log(connection, after.id, [entry])
    if after.state != before.state:
        _CHANGED.labels(after.state).inc()
    if after.state != before.state and (name := _event_of(before, after)) is not None:
        publish(connection, topics, after, name, now)
    return after


def publish(connection: Connection[Any], topics: Topics, campaign: Campaign, name: CampaignEvent, at: datetime) -> None:
    """Publishes an event about a campaign, with its counts as they are."""
    id_ = fact_id("campaign event", str(campaign.id), name, str(campaign.version), at.isoformat())
    headers = event_headers(str(id_), f"witiop.campaign.{name}.v1", SOURCE, at)
    counts, answers = counts_of(connection, campaign.id), answer_counts_of(connection, campaign.id)
    value = to_json(campaign_document(campaign, counts, answers))
    Outbox(connection).add([OutboxRecord(topics.campaigns, str(campaign.id), headers, value)])


def _event_of(before: Campaign, after: Campaign) -> CampaignEvent | None:
    match after.state:
        case "ready":
            return "planned"
        case "running":
            return "resumed" if before.state == "paused" else "started"
        case "paused" | "finished" | "cancelled" | "missed" as state:
            return state
        case _:
            return None
