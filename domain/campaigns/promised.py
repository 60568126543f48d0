"""Answers of a campaign that are promised to a user or skillset: who answers is transferred to them, as by a transfer
on reply (docs/design/campaigns.md, *Answers*)."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.campaigns.answers import AskedRecipient
from domain.command_bodies.campaigns import AnswersTo
from domain.command_bodies.parts import TransferMode
from domain.conversations.conversation import OwnerKind


class PromisedAnswer(NamedTuple):
    """The transfer of who answers a campaign's message. `command_id`: stands for the command of a transfer; `ends_at`:
    a later answer is not transferred."""

    command_id: str
    target_kind: OwnerKind
    target_id: str
    mode: TransferMode
    actor: str
    ends_at: datetime


def campaign_actor(name: str) -> str:
    """Returns how a campaign is named as the one that did something."""
    return f"campaign:{name}"[:256]


def campaign_cause(campaign: UUID) -> str:
    """Returns what stands for the command of the transfers that a campaign leads to."""
    return f"campaign:{campaign}"


def promised_by(recipient: AskedRecipient) -> PromisedAnswer | None:
    """Returns to whom the answer of a recipient goes; None: to nobody in particular."""
    if recipient.answers_to is None:
        return None
    to = AnswersTo.model_validate(recipient.answers_to)
    return PromisedAnswer(
        campaign_cause(recipient.campaign_id),
        to.target.kind,
        to.target.id,
        to.mode,
        campaign_actor(recipient.campaign_name),
        recipient.asked_at + recipient.holds,
    )
