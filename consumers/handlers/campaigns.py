"""Commands about campaigns (docs/design/campaigns.md, *Commands*). A command changes the campaign's row alone; the
`campaigns` process does what follows from it."""

from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, assert_never

from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from domain.campaigns.campaign import Campaign, campaign_id, cancel, next_wave, pause, resume, start
from domain.command_bodies.campaigns import (
    CampaignCommand,
    CancelCampaign,
    ChangeAnswers,
    CreateCampaign,
    OptIn,
    OptOut,
    PauseCampaign,
    ResolveRecipients,
    ResumeCampaign,
    StartCampaign,
    StartWave,
    TestCampaign,
)
from domain.commands import CommandHead, Rejection
from domain.sending.acceptance import RefusedSend, SendingPolicy
from domain.topics import Topics
from infra.postgres.campaigns import campaigns, files
from infra.postgres.campaigns.campaigns import CampaignLogEntry
from infra.postgres.sending.library import StoredLibrary, account_of


class CampaignPolicy(NamedTuple):
    """The rules for campaigns. `second_person_from`: a campaign with so many recipients needs a second person who
    confirms its start; None: none does."""

    second_person_from: int | None = None


def carry_out_campaign_command(
    connection: Connection[Any],
    topics: Topics,
    head: CommandHead,
    body: CampaignCommand | OptOut | OptIn,
    sending: SendingPolicy,
    policy: CampaignPolicy,
    now: datetime,
) -> RefusedSend | None:
    """Carries out a command about a campaign; returns why it is rejected, None: it is applied."""
    if isinstance(body, CreateCampaign):
        return _create(connection, head, body, sending, now)
    if isinstance(body, OptOut | OptIn):
        raise NotImplementedError
    campaign = campaigns.lock(connection, body.campaign_id)
    if campaign is None:
        return RefusedSend(Rejection.CAMPAIGN_UNKNOWN)
    if body.expected_version is not None and body.expected_version != campaign.version:
        return RefusedSend(Rejection.VERSION_CONFLICT)
    changed = _changed(campaign, head.issuer, body, policy, now)
    if isinstance(changed, Rejection):
        return RefusedSend(changed, f"the campaign is {campaign.state}")
    note = body.note if isinstance(body, PauseCampaign | CancelCampaign) else None
    change_campaign(connection, topics, campaign, changed, now, detail=note)
    return None


def _changed(
    campaign: Campaign,
    by: str,
    body: CampaignCommand,
    policy: CampaignPolicy,
    now: datetime,
) -> Campaign | Rejection:
    """Returns a campaign as the command changes it."""
    match body:
        case StartCampaign():
            needs_second = _is_large(campaign, policy)
            return start(campaign, by, body.at, in_own_time=body.in_own_time, now=now, needs_second=needs_second)
        case PauseCampaign():
            return pause(campaign, by, detail=body.note)
        case ResumeCampaign():
            return resume(campaign, by, now)
        case CancelCampaign():
            return cancel(campaign, by, now)
        case StartWave():
            return next_wave(campaign, by, body.codes)
        case ChangeAnswers():
            answers = body.answers_to.model_dump(mode="json") if body.answers_to else None
            return replace(campaign, answers_to=answers, version=campaign.version + 1)
        case ResolveRecipients() | TestCampaign() | CreateCampaign():
            raise NotImplementedError
        case other:
            assert_never(other)


def _create(
    connection: Connection[Any], head: CommandHead, body: CreateCampaign, sending: SendingPolicy, now: datetime
) -> RefusedSend | None:
    if not sending.enabled:
        return RefusedSend(Rejection.SENDING_DISABLED)
    account = account_of(connection, body.phone_number_id)
    if account is None:
        detail = f"phone_number_id: Meta has told nothing of {body.phone_number_id}"
        return RefusedSend(Rejection.NUMBER_UNKNOWN, detail)
    library, templates = StoredLibrary(connection), []
    for named in body.templates:
        template = library.template(body.phone_number_id, named.name, named.language)
        if template is None:
            return RefusedSend(Rejection.TEMPLATE_UNKNOWN, f"templates: there is no {named.name} in {named.language}")
        if not template.is_sendable:
            return RefusedSend(Rejection.TEMPLATE_NOT_APPROVED, f"templates: {named.name} is {template.status.lower()}")
        templates.append(template)
    if body.file is not None and not files.is_read(connection, body.file.file_id):
        return RefusedSend(Rejection.FILE_UNKNOWN, "file.file_id: there is no such file, or it could not be read")
    source = body.file or body.customers
    assert source is not None
    campaign = Campaign(
        id=campaign_id(head.id),
        name=body.name,
        phone_number_id=body.phone_number_id,
        account_id=account,
        source={"file" if body.file else "customers": source.model_dump(mode="json")},
        into_active=body.into_active,
        terms=body.terms.model_dump(mode="json"),
        answers_to=body.answers_to.model_dump(mode="json") if body.answers_to else None,
        actor=head.issuer,
        changed_by=head.issuer,
        created_at=now,
    )
    if campaigns.create(connection, campaign, templates):
        campaigns.write_log(connection, campaign.id, [CampaignLogEntry(now, "created", head.issuer)])
    return None


def _is_large(campaign: Campaign, policy: CampaignPolicy) -> bool:
    return policy.second_person_from is not None and sum((campaign.zones or {}).values()) >= policy.second_person_from
