"""What becomes of a campaign, with its log and the public events about it. Shared by the consumer of commands and by
the process that runs campaigns."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from psycopg import Connection
from pydantic_core import to_json

from consumers.changes.public_events import SOURCE
from domain.campaigns.campaign import Campaign
from domain.campaigns.document import CampaignEvent, campaign_document
from domain.campaigns.plan.sends import send_of
from domain.campaigns.recipients import campaign_send_id
from domain.event_headers import event_headers
from domain.facts import MessageStatus
from domain.ids import FactId, fact_id
from domain.phone_numbers import phone_key
from domain.sending.callback import Callback
from domain.sending.sends import Send
from domain.topics import Topics
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.answers import answer_counts_of
from infra.postgres.campaigns.campaigns import CampaignLogEntry
from infra.postgres.campaigns.counts import Moves, counts_of
from infra.postgres.campaigns.lost import PostedThen, note_posted, possible_recipients
from infra.postgres.campaigns.recipients import keep_claimed
from infra.postgres.messaging.outbox import Outbox, OutboxRecord
from infra.postgres.sending import sends

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


def restore_sends(
    connection: Connection[Any], lost: Collection[MessageStatus], callbacks: Mapping[FactId, Callback], moves: Moves
) -> dict[UUID, Send]:
    """Stores sends of campaigns again that a restore of the database lost, and returns them, locked: Meta reports of
    them, and they are the next ones of recipients that are known. So nobody who got a message stays planned. `lost`:
    statuses whose send is not known; `callbacks`: status -> callback data."""
    keys = {(each.phone_number_id, key) for each in lost for key in _keys(each)}
    recipients_of = {
        campaign_send_id(each.campaign_id, each.row_no, each.attempt + 1): each
        for each in possible_recipients(connection, keys)
    }
    posted: dict[UUID, PostedThen] = {}
    requested = []
    for status in sorted(lost, key=lambda each: each.at):
        callback = callbacks[status.id]
        recipient = recipients_of.get(callback.send)
        if recipient is None or callback.send in posted:
            continue
        campaign = campaigns.find(connection, recipient.campaign_id)
        assert campaign is not None, "campaigns are never deleted"
        planned = campaigns.templates_of(connection, campaign)[recipient.variant]
        requested.append(send_of(campaign, recipient, planned, callback.secret, status.at))
        posted[callback.send] = PostedThen(callback.attempt, status.at)
    sends.request_many(connection, requested)
    note_posted(connection, posted)
    keep_claimed(connection, {id_: recipients_of[id_] for id_ in posted}, moves)
    return sends.lock(connection, posted)


def _keys(status: MessageStatus) -> Iterator[str]:
    if status.recipient:
        yield phone_key(status.recipient)
    if status.recipient_user_id:
        yield status.recipient_user_id


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
