"""Hands recipients' messages to the sender, a few seconds of them at a time: what waits there is little, so a pause
takes back little, and the sender's table stays small for agents' answers (docs/design/campaigns.md, *Feeding*)."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from psycopg import Connection
from pydantic import ValidationError

from domain.campaigns.calendar import opening
from domain.campaigns.campaign import Campaign, CampaignTemplate
from domain.campaigns.plan.sends import send_of
from domain.campaigns.recipients import CampaignRecipient
from domain.sending.callback import SECRET_BYTES
from domain.sending.sends import Send
from domain.sending.templates import WrongParameters
from infra.postgres.campaigns import recipients
from infra.postgres.campaigns.counts import Moves
from infra.postgres.sending import sends
from infra.process.crash_points import crash_point

AHEAD_SECONDS = 2.0
"""For so long the messages that wait at the sender last."""
_LEAST = 20

_HANDED_OVER = Counter("witiop_campaigns_handed_over", "Messages of campaigns that were handed to the sender.")


def feed(
    connection: Connection[Any],
    campaign: Campaign,
    templates: Sequence[CampaignTemplate],
    now: datetime,
    per_second: float,
    sharing: int = 1,
    most: int | None = None,
) -> int:
    """Hands messages of a running campaign, whose lock the caller holds, to the sender; returns how many wait there.
    `per_second`: messages that its number may send; `sharing`: campaigns of the number that have something to send,
    each with its share; `most`: so many at most."""
    room = max(1, max(_LEAST, int(per_second * AHEAD_SECONDS)) // sharing)
    waiting = sends.waiting_of(connection, campaign.id)
    room -= waiting
    if most is not None:
        room = min(room, most)
    openings = {zone: opening(campaign, zone, now) for zone in campaign.zones or {}}
    open_zones = sorted(zone for zone, each in openings.items() if each.is_open)
    taken = recipients.take(connection, campaign.id, open_zones, room)
    by_variant = {each.variant: each for each in templates}
    requested: dict[UUID, Send] = {}
    claimed: dict[UUID, CampaignRecipient] = {}
    unfit = []
    for each in taken:
        try:
            secret, until = secrets.token_bytes(SECRET_BYTES), openings[each.zone].until
            send = send_of(campaign, each, by_variant[each.variant], secret, now, until)
        except (WrongParameters, ValidationError):  # rows are checked when they are read
            unfit.append(each)
        else:
            requested[send.id], claimed[send.id] = send, each
    moves = Moves()
    sends.request_many(connection, requested.values())
    recipients.keep_claimed(connection, claimed, moves)
    recipients.skip(connection, unfit, "parameters_unfit", moves)
    moves.write(connection)
    crash_point("campaigns.before-feed-commit")
    _HANDED_OVER.inc(len(requested))
    return waiting + len(requested)
