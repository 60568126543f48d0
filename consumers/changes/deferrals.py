"""Recipients whose message was not posted before quiet hours began: when it is their turn again."""

from collections.abc import Collection
from typing import Any

from psycopg import Connection

from domain.campaigns.calendar import opening
from infra.postgres.campaigns import campaigns, recipients
from infra.postgres.campaigns.recipients import RecipientSend
from infra.postgres.connections.clock import database_now


def due_again(connection: Connection[Any], changes: Collection[RecipientSend]) -> list[RecipientSend]:
    """Returns what changes of sends mean for recipients, with the end of their quiet hours for those that are
    deferred."""
    deferred = {(each.campaign_id, each.row_no) for each in changes if each.change.state == "deferred"}
    if not deferred:
        return list(changes)
    now = database_now(connection)
    zones = recipients.zones_of(connection, deferred)
    known = {id_: campaigns.find(connection, id_) for id_ in {campaign for campaign, _ in deferred}}
    timed = []
    for each in changes:
        campaign, zone = known.get(each.campaign_id), zones.get((each.campaign_id, each.row_no))
        if each.change.state == "deferred" and campaign is not None and zone is not None:
            hours = opening(campaign, zone, now)
            due_at = hours.until if not hours.is_open and hours.until is not None else now
            each = each._replace(change=each.change._replace(due_at=due_at))  # noqa: PLW2901
        timed.append(each)
    return timed
