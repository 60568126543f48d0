"""Commands about single messages of a campaign: `test`, which sends some to people of the company, and `resolve`, which
settles those that are unknown."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from pydantic import ValidationError

from consumers.changes.sends import SendChanges
from consumers.handlers.sending import settle
from domain.campaigns.acceptance import phones_of, template_refusal
from domain.campaigns.campaign import Campaign
from domain.campaigns.content import CampaignContent, content_of
from domain.command_bodies.campaigns import ResolveRecipients, TestCampaign
from domain.commands import CommandHead, Rejection
from domain.opt_outs.opt_out import concerns
from domain.sending.acceptance import DEFAULT_EXPIRY, Recipient, RefusedSend, SendingPolicy
from domain.sending.callback import SECRET_BYTES
from domain.sending.sends import Lane, Send, send_id
from domain.sending.templates import Template, WrongParameters
from domain.topics import Topics
from infra.postgres.campaigns import campaigns, recipients
from infra.postgres.campaigns.counts import Moves
from infra.postgres.sending import sends
from infra.postgres.sending.library import StoredLibrary

AT_ONCE = timedelta()
_CHUNK = 500
"""Sends that are locked and written at a time."""


def send_tests(
    connection: Connection[Any],
    head: CommandHead,
    campaign: Campaign,
    body: TestCampaign,
    policy: SendingPolicy,
    now: datetime,
) -> RefusedSend | None:
    """Asks for the messages of a campaign to people of the company, made as those of its recipients are; returns why
    nobody gets one, None: all get theirs. They are nobody's recipients and in no count."""
    if not policy.enabled:
        return RefusedSend(Rejection.SENDING_DISABLED)
    if campaign.state in ("importing", "planning", "cancelled"):
        return RefusedSend(Rejection.CAMPAIGN_STATE, f"the campaign is {campaign.state}")
    phones = phones_of(body.to)
    if isinstance(phones, RefusedSend):
        return phones
    row = recipients.good_row(connection, campaign.id, body.row_no)
    if row is None:
        return RefusedSend(Rejection.PARAMETERS_WRONG, "row_no: there is no such row to which something is sent")
    template = campaigns.templates_of(connection, campaign)[row.variant].template
    library = StoredLibrary(connection)
    refusal = template_refusal(template, library.template(campaign.phone_number_id, template.name, template.language))
    if refusal is not None:
        return refusal
    try:
        content = content_of(template, row.parameters)
    except (WrongParameters, ValidationError) as error:
        return RefusedSend(Rejection.PARAMETERS_WRONG, str(error) if isinstance(error, WrongParameters) else None)
    for place, phone in enumerate(phones):
        if not policy.allows("phone", phone):
            return RefusedSend(Rejection.RECIPIENT_NOT_ALLOWED, f"to.{place}")
        to = Recipient(campaign.phone_number_id, phone, None, None)
        if concerns(library.opt_out_of(to), is_template=True, is_marketing=template.is_marketing):
            return RefusedSend(Rejection.OPTED_OUT, f"to.{place}")
    requested = [_test_send(head, campaign, template, content, phone, now) for phone in phones]
    for send in requested:
        sends.request(connection, send, AT_ONCE)
    campaigns.add_tests(connection, campaign.id, [send.id for send in requested])
    return None


def resolve_recipients(
    connection: Connection[Any],
    topics: Topics,
    head: CommandHead,
    campaign: Campaign,
    body: ResolveRecipients,
    now: datetime,
) -> int:
    """Settles unknown recipients as a person says, and returns how many. They follow their sends."""
    unknown, moves = recipients.unknown_sends(connection, campaign.id, body.row_no), Moves()
    number = 0
    for first in range(0, len(unknown), _CHUNK):
        changes = SendChanges(connection, topics, unknown[first : first + _CHUNK], moves)
        for send in list(changes.sends.values()):
            number += settle(changes, send, body.as_, head.issuer, now)
        changes.write_sends()
    moves.write(connection)
    return number


def _test_send(
    head: CommandHead, campaign: Campaign, template: Template, content: CampaignContent, phone: str, now: datetime
) -> Send:
    command = f"{head.id}:{phone}"
    return Send(
        id=send_id(command),
        command_id=command,
        phone_number_id=campaign.phone_number_id,
        address=phone,
        address_kind="phone",
        kind="template",
        lane=Lane.SYSTEM,
        content=content.graph,
        text=content.text,
        actor=head.issuer,
        is_word=False,
        is_claim=False,
        needs_window=False,
        requested_at=now,
        secret=secrets.token_bytes(SECRET_BYTES),
        expires_at=now + DEFAULT_EXPIRY,
        upload_id=content.upload,
        is_marketing=template.is_marketing,
        delivered_within=template.delivered_within,
    )
