"""Campaigns as they are published: how far each is, with the number of its recipients in each state and of its
answers."""

from typing import Annotated, get_args
from uuid import UUID

from pydantic import AwareDatetime

from domain.campaigns.answers import AnswerOutcome
from domain.campaigns.campaign import CampaignReason, CampaignState
from domain.campaigns.recipients import RecipientState
from domain.contract.published import Growing, Published


class PublishedStateCount(Published):
    """So many recipients are in a state."""

    wave: int
    """1, or the number of a further try."""
    variant: int
    """Place of the template among those that are compared, from 0."""
    state: Annotated[str, Growing(get_args(RecipientState))]
    reason: str | None
    """Why: a problem of the row, why it was skipped, or Meta's error code."""
    recipients: int


class PublishedAnswerCount(Published):
    """So many recipients answered."""

    wave: int
    variant: int
    outcome: Annotated[str, Growing(get_args(AnswerOutcome))]
    """What became of the conversation: `unmanaged` ones are left alone."""
    recipients: int


class PublishedCampaign(Published):
    """A campaign right after the event. Without recipients' names, phones and parameters."""

    campaign_id: UUID
    name: str
    phone_number_id: str
    state: Annotated[str, Growing(get_args(CampaignState))]
    reason: Annotated[str, Growing(get_args(CampaignReason))] | None
    """Why the product itself paused or cancelled it."""
    detail: str | None
    """A number or name that belongs to the reason, or what a person noted."""
    changed_by: str
    """Who brought it into its state: the issuer of a command, or `campaigns`."""
    created_by: str
    created_at: AwareDatetime
    start_at: AwareDatetime | None
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    """When nothing was left to be posted; statuses and answers may still come."""
    wave: int
    version: int
    """A command's `expected_version` is compared with it."""
    counts: tuple[PublishedStateCount, ...]
    """Every row is in exactly one state: they add up to the rows of the file."""
    answers: tuple[PublishedAnswerCount, ...]
