"""A campaign, its states and what may be done with it (docs/design/campaigns.md, *States*)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

from domain.commands import Rejection
from domain.ids import fact_id
from domain.sending.templates import Template

CampaignState = Literal[
    "importing",
    "planning",
    "ready",
    "unconfirmed",
    "scheduled",
    "missed",
    "running",
    "paused",
    "finishing",
    "finished",
    "cancelled",
]
CAMPAIGN_STATES: tuple[CampaignState, ...] = get_args(CampaignState)

START_IS_MISSED_AFTER = timedelta(minutes=30)
"""A start that was due longer ago asks a person: meanwhile it may be night, or the offer may be over."""

BY_ITSELF = "campaigns"
"""Who changed a campaign if no person did."""

CampaignReason = Literal[
    "canary",
    "failures",
    "unknowns",
    "template_changed",
    "number_paused",
    "restored",
    "import_failed",
    "nobody",
]
"""Why the product itself paused or cancelled a campaign. New reasons may be added."""


@dataclass(frozen=True, slots=True)
class CampaignTemplate:
    """A template of a campaign as it was when the campaign was created. Several are compared: each person gets one."""

    variant: int
    template: Template

    @property
    def fingerprint(self) -> str:
        return self.template.fingerprint


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign. `source`: a file with its mapping, or a filter of customers, as the command names it; `terms`:
    canary, quiet hours, frequency cap, time zone; `answers_to`: who gets the answers; `changed_by`: who brought it into
    its state, a person or `BY_ITSELF`; `reason`, `detail`: why; `start_at`: when it is to start; `in_own_time`: that is
    a time of day in each recipient's own zone; `work`: how far import, plan, wave or cancellation has come; `zones`:
    recipients by time zone, counted by the plan; `canary_until`: when the outcome of the first messages is judged."""

    id: UUID
    name: str
    phone_number_id: str
    account_id: str
    source: Mapping[str, Any]
    into_active: bool
    terms: Mapping[str, Any]
    actor: str
    created_at: datetime
    state: CampaignState = "importing"
    changed_by: str = BY_ITSELF
    answers_to: Mapping[str, Any] | None = None
    reason: str | None = None
    detail: str | None = None
    version: int = 0
    wave: int = 1
    start_at: datetime | None = None
    in_own_time: bool = False
    started_by: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    work: Mapping[str, Any] | None = None
    zones: Mapping[str, int] | None = None
    canary_until: datetime | None = None

    def to(
        self, state: CampaignState, by: str = BY_ITSELF, reason: str | None = None, detail: str | None = None
    ) -> "Campaign":
        """Returns the campaign in another state."""
        return replace(self, state=state, changed_by=by, reason=reason, detail=detail, version=self.version + 1)


def campaign_id(command_id: str) -> UUID:
    """Returns the id of the campaign that a command creates, the same however often the command is received."""
    return fact_id("campaign", command_id)


def start(
    campaign: Campaign, by: str, at: datetime | None, *, in_own_time: bool, now: datetime, needs_second: bool
) -> Campaign | Rejection:
    """Returns the campaign once a person starts it: now, or at a time. `needs_second`: a second person has to confirm
    the start; a start by another person does, as it was asked for. A missed one starts again."""
    if campaign.state not in ("ready", "unconfirmed", "scheduled", "missed"):
        return Rejection.CAMPAIGN_STATE
    if campaign.state == "unconfirmed":
        if campaign.started_by == by:
            return Rejection.SECOND_PERSON_NEEDED
        at, in_own_time = campaign.start_at, campaign.in_own_time
    elif needs_second:
        asked = replace(campaign, start_at=at, in_own_time=in_own_time, started_by=by)
        return asked.to("unconfirmed", by)
    started = replace(campaign, start_at=at, in_own_time=in_own_time, started_by=campaign.started_by or by)
    if at is not None and at > now:
        return started.to("scheduled", by)
    return replace(started, started_at=now).to("running", by)


def start_when_due(campaign: Campaign, now: datetime) -> Campaign:
    """Returns a scheduled campaign once its time has come: running, or missed if that was long ago (C6)."""
    if campaign.state != "scheduled" or campaign.start_at is None or campaign.start_at > now:
        return campaign
    if now - campaign.start_at > START_IS_MISSED_AFTER:
        return campaign.to("missed")
    return replace(campaign, started_at=now).to("running")


def pause(campaign: Campaign, by: str, reason: str | None = None, detail: str | None = None) -> Campaign | Rejection:
    """Returns the campaign, paused: nothing more of it is posted but what has been claimed."""
    if campaign.state != "running":
        return Rejection.CAMPAIGN_STATE
    return campaign.to("paused", by, reason, detail)


def resume(campaign: Campaign, by: str, now: datetime) -> Campaign | Rejection:
    """Returns a paused campaign, running again where it stood: nobody gets it twice."""
    if campaign.state != "paused":
        return Rejection.CAMPAIGN_STATE
    return replace(campaign, started_at=campaign.started_at or now).to("running", by)


def cancel(campaign: Campaign, by: str, now: datetime, reason: str | None = None) -> Campaign | Rejection:
    """Returns the campaign, cancelled: who has not got it does not get it."""
    if campaign.state in ("finished", "cancelled"):
        return Rejection.CAMPAIGN_STATE
    return replace(campaign, ended_at=now).to("cancelled", by, reason)


def next_wave(campaign: Campaign, by: str, codes: Sequence[str] | None) -> Campaign | Rejection:
    """Returns the campaign with another wave: those whose message failed, with one of the reasons if any are named, are
    tried again. It goes on if nothing was left to be posted."""
    if campaign.state not in ("running", "paused", "finishing", "finished"):
        return Rejection.CAMPAIGN_STATE
    if campaign.work is not None:
        return Rejection.CAMPAIGN_STATE
    work = {"step": "wave", "codes": list(codes) if codes is not None else None, "row": 0}
    waved = replace(campaign, wave=campaign.wave + 1, work=work, ended_at=None)
    return waved.to("paused" if campaign.state == "paused" else "running", by)


def reopen(campaign: Campaign, by: str) -> Campaign | Rejection:
    """Returns the campaign once messages of it that are unknown are sent again. It goes on if nothing was left to be
    posted."""
    match campaign.state:
        case "running" | "paused":
            return campaign
        case "finishing" | "finished":
            return replace(campaign, ended_at=None).to("running", by)
        case _:
            return Rejection.CAMPAIGN_STATE


def with_answers(campaign: Campaign, answers_to: Mapping[str, Any] | None) -> Campaign:
    """Returns the campaign with somebody else who gets the answers."""
    return replace(campaign, answers_to=answers_to, version=campaign.version + 1)
