"""A campaign, its states and what may be done with it (docs/design/campaigns.md, *States*)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

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
STARTABLE: tuple[CampaignState, ...] = ("ready", "unconfirmed", "scheduled", "missed")
UNSTARTED: tuple[CampaignState, ...] = ("importing", "planning", *STARTABLE)
"""States in which nothing was sent, so that another campaign can take its place."""
OVER: tuple[CampaignState, ...] = ("finished", "cancelled")
"""States in which nothing can be cancelled any more."""

START_IS_MISSED_AFTER = timedelta(minutes=30)
"""A start that was due longer ago asks a person: meanwhile it may be night, or the offer may be over."""

BY_ITSELF = "campaigns"
"""Who changed a campaign if no person did."""

CampaignReason = Literal[
    "canary",
    "failures",
    "unknowns",
    "template_changed",
    "template_quality",
    "number_paused",
    "number_quality",
    "restored",
    "import_failed",
    "nobody",
    "defect",
]
"""Why the product itself paused or cancelled a campaign. New reasons may be added."""

TOLERABLE: tuple[CampaignReason, ...] = ("template_quality", "number_quality")
"""Reasons that last: who resumes a campaign accepts what it was paused for, until that gets worse."""

_PAUSED_IN = "paused_in"
"""In `work`: the state in which a campaign was paused before it could be started."""


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
    recipients by time zone, counted by the plan, and `countries`: by variant and country; `canary_until`: when the
    outcome of the first messages is judged, and `canary_passed`: it was good; `watch`: what the process that watches it
    has seen and said so far; `tolerated`: what it is not paused for again."""

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
    countries: Mapping[str, Mapping[str, int]] | None = None
    canary_until: datetime | None = None
    canary_passed: bool = False
    watch: Mapping[str, Any] | None = None
    tolerated: Mapping[str, str] | None = None

    @property
    def recipients(self) -> int:
        """How many recipients it had when it was planned; 0: it is not planned yet."""
        return sum((self.zones or {}).values())

    @property
    def begins_at(self) -> datetime | None:
        """When it begins for the first of its recipients; None: at once."""
        if not self.in_own_time or not self.zones:
            return self.start_at
        begins = [at for zone in self.zones if (at := start_in(self, zone)) is not None]
        return min(begins, default=self.start_at)

    def to(
        self, state: CampaignState, by: str = BY_ITSELF, reason: str | None = None, detail: str | None = None
    ) -> "Campaign":
        """Returns the campaign in another state."""
        return replace(self, state=state, changed_by=by, reason=reason, detail=detail, version=self.version + 1)


def campaign_id(command_id: str) -> UUID:
    """Returns the id of the campaign that a command creates, the same however often the command is received."""
    return fact_id("campaign", command_id)


def start_in(campaign: Campaign, zone: str) -> datetime | None:
    """Returns when a campaign begins for recipients of a time zone: at the same time of day as in the campaign's own,
    if it is sent in each recipient's time; None: at once."""
    if campaign.start_at is None or not campaign.in_own_time:
        return campaign.start_at
    own = ZoneInfo(campaign.terms.get("zone") or "UTC")
    wall = campaign.start_at.astimezone(own).replace(tzinfo=None)
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(campaign.start_at.tzinfo)


def start(
    campaign: Campaign, by: str, at: datetime | None, *, in_own_time: bool, now: datetime, needs_second: bool
) -> Campaign | Rejection:
    """Returns the campaign once a person starts it: now, or at a time. `needs_second`: a second person has to confirm
    the start; a start by another person does, as it was asked for, unless that is long over. A missed one starts again.
    One that is sent in each recipient's time runs as soon as that has come for the first of them."""
    if campaign.state not in STARTABLE:
        return Rejection.CAMPAIGN_STATE
    if campaign.state == "unconfirmed":
        if campaign.started_by == by:
            return Rejection.SECOND_PERSON_NEEDED
        if _is_missed(campaign, now):
            return campaign.to("missed", by)
        at, in_own_time = campaign.start_at, campaign.in_own_time
    elif needs_second:
        asked = replace(campaign, start_at=at, in_own_time=in_own_time, started_by=by)
        return asked.to("unconfirmed", by)
    started = replace(campaign, start_at=at, in_own_time=in_own_time, started_by=campaign.started_by or by)
    begins_at = started.begins_at
    if begins_at is not None and begins_at > now:
        return started.to("scheduled", by)
    return replace(started, started_at=now).to("running", by)


def start_when_due(campaign: Campaign, now: datetime) -> Campaign:
    """Returns a scheduled campaign once its time has come: running, or missed if that was long ago (C6)."""
    begins_at = campaign.begins_at
    if campaign.state != "scheduled" or begins_at is None or begins_at > now:
        return campaign
    if _is_missed(campaign, now):
        return campaign.to("missed")
    return replace(campaign, started_at=now).to("running")


def _is_missed(campaign: Campaign, now: datetime) -> bool:
    begins_at = campaign.begins_at
    return begins_at is not None and now - begins_at > START_IS_MISSED_AFTER


def pause(campaign: Campaign, by: str, reason: str | None = None, detail: str | None = None) -> Campaign | Rejection:
    """Returns the campaign, paused: nothing more of it is posted but what has been claimed."""
    if campaign.state != "running":
        return Rejection.CAMPAIGN_STATE
    return campaign.to("paused", by, reason, detail)


def pause_for_defect(campaign: Campaign, detail: str) -> Campaign:
    """Returns the campaign, paused because the product failed to take it a step further; unchanged where nothing can be
    paused."""
    if campaign.state == "running":
        return campaign.to("paused", BY_ITSELF, "defect", detail)
    if campaign.state in ("importing", "planning"):
        work = {**(campaign.work or {}), _PAUSED_IN: campaign.state}
        return replace(campaign, work=work).to("paused", BY_ITSELF, "defect", detail)
    return campaign


def resume(campaign: Campaign, by: str, now: datetime) -> Campaign | Rejection:
    """Returns a paused campaign, running again where it stood: nobody gets it twice. Its failures count from now on;
    who resumes it after its first messages were judged bad lets the others follow."""
    if campaign.state != "paused":
        return Rejection.CAMPAIGN_STATE
    work = dict(campaign.work or {})
    match work.pop(_PAUSED_IN, None):
        case "importing" | "planning" as before:
            return replace(campaign, work=work or None).to(before, by)
    tolerated = dict(campaign.tolerated or {})
    if campaign.changed_by == BY_ITSELF and campaign.reason in TOLERABLE:
        tolerated[campaign.reason] = campaign.detail or ""
    return replace(
        campaign,
        started_at=campaign.started_at or now,
        canary_until=None if campaign.reason == "canary" else campaign.canary_until,
        canary_passed=campaign.canary_passed or campaign.reason == "canary",
        watch=unwatched(campaign),
        tolerated=tolerated or None,
    ).to("running", by)


def unwatched(campaign: Campaign) -> Mapping[str, Any] | None:
    """Returns what was seen of a campaign without its failures: those that come count."""
    return {key: value for key, value in (campaign.watch or {}).items() if key != "seen"} or None


def cancel(campaign: Campaign, by: str, now: datetime, reason: str | None = None) -> Campaign | Rejection:
    """Returns the campaign, cancelled: who has not got it does not get it."""
    if campaign.state in OVER:
        return Rejection.CAMPAIGN_STATE
    return replace(campaign, ended_at=now, work={"step": "cancel"}).to("cancelled", by, reason)


def next_wave(campaign: Campaign, by: str, codes: Sequence[str] | None) -> Campaign | Rejection:
    """Returns the campaign with another wave: those whose message failed, with one of the reasons if any are named, are
    tried again. It goes on if nothing was left to be posted; one that is paused stays so, for its reason. Not while its
    first messages are judged: their failures would not be among them."""
    if campaign.state not in ("running", "paused", "finishing", "finished"):
        return Rejection.CAMPAIGN_STATE
    if campaign.work is not None or (campaign.canary_until is not None and campaign.reason != "canary"):
        return Rejection.CAMPAIGN_STATE
    work = {"step": "wave", "codes": list(codes) if codes is not None else None, "row": 0}
    waved = replace(campaign, wave=campaign.wave + 1, work=work, ended_at=None, watch=unwatched(campaign))
    return replace(waved, version=waved.version + 1) if campaign.state == "paused" else waved.to("running", by)


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


def end(campaign: Campaign, now: datetime) -> Campaign:
    """Returns a running campaign once nothing of it is left to be posted or under way."""
    return replace(campaign, ended_at=now).to("finishing")


def go_on(campaign: Campaign) -> Campaign:
    """Returns a campaign that was ending and has something to post again."""
    return replace(campaign, ended_at=None).to("running")
