"""Commands about campaigns (docs/design/campaigns.md, *Commands*). A command changes the campaign's row alone; the
`campaigns` process does what follows from it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, assert_never
from uuid import UUID

from psycopg import Connection

from consumers.changes.campaigns import change_campaign
from consumers.handlers.campaign_sends import resolve_recipients, send_tests
from domain.campaigns.acceptance import answers_rejection, columns_refusal, parameters_refusal, start_refusal
from domain.campaigns.campaign import (
    Campaign,
    campaign_id,
    cancel,
    next_wave,
    pause,
    reopen,
    resume,
    start,
    with_answers,
)
from domain.campaigns.content import HEADER
from domain.campaigns.waves import codes_to_retry
from domain.command_bodies.campaigns import (
    CampaignBody,
    CampaignCommand,
    CancelCampaign,
    ChangeAnswers,
    CreateCampaign,
    PauseCampaign,
    ResolveRecipients,
    ResumeCampaign,
    StartCampaign,
    StartWave,
    TestCampaign,
)
from domain.commands import CommandHead, Rejection
from domain.directory import Directory
from domain.sending.acceptance import RefusedSend, SendingPolicy
from domain.sending.templates import Template
from domain.topics import Topics
from infra.postgres.campaign_files import files
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.campaigns import CampaignLogEntry
from infra.postgres.campaigns.counts import counts_of
from infra.postgres.campaigns.planning import zone_of_number
from infra.postgres.messaging.restores import is_read_again
from infra.postgres.sending.library import StoredLibrary, account_of


class CampaignPolicy(NamedTuple):
    """The rules for campaigns. `second_person_from`: a campaign with so many recipients needs a second person who
    confirms its start; None: none does."""

    second_person_from: int | None = None


def carry_out_campaign_command(
    connection: Connection[Any],
    topics: Topics,
    head: CommandHead,
    body: CampaignCommand,
    sending: SendingPolicy,
    policy: CampaignPolicy,
    directory: Directory,
    now: datetime,
) -> RefusedSend | None:
    """Carries out a command about a campaign; returns why it is rejected, None: it is applied."""
    if isinstance(body, CreateCampaign):
        return _create(connection, head, body, sending, directory, now)
    campaign = campaigns.lock(connection, body.campaign_id)
    if campaign is None:
        return RefusedSend(Rejection.CAMPAIGN_UNKNOWN)
    if body.expected_version is not None and body.expected_version != campaign.version:
        return RefusedSend(Rejection.VERSION_CONFLICT, f"the campaign's version is {campaign.version}")
    match body:
        case TestCampaign():
            return send_tests(connection, head, campaign, body, sending, now)
        case ResolveRecipients():
            return _resolve(connection, topics, head, campaign, body, sending, now)
        case ChangeAnswers():
            return _change_answers(connection, head, campaign, body, directory, now)
        case StartCampaign() | ResumeCampaign() | StartWave() if not sending.enabled:
            return RefusedSend(Rejection.SENDING_DISABLED)
        case StartCampaign() | ResumeCampaign() | StartWave() if not is_read_again(connection, topics.inbound):
            return RefusedSend(Rejection.RESTORE_NOT_READ)
        case StartCampaign() if (wrong := start_refusal(body, now)) is not None:
            return wrong
        case StartWave() if not _may_be_retried(connection, campaign, body):
            return RefusedSend(Rejection.NOTHING_TO_RETRY)
        case _:
            changed = _changed(campaign, head.issuer, body, policy, now)
    if isinstance(changed, Rejection):
        judged = isinstance(body, StartWave) and campaign.canary_until is not None and campaign.work is None
        why = "its first messages are being judged" if judged else _state_text(campaign)
        return RefusedSend(changed, why if changed is Rejection.CAMPAIGN_STATE else None)
    note = body.note if isinstance(body, PauseCampaign | CancelCampaign) else None
    event = "wave" if isinstance(body, StartWave) else None
    change_campaign(connection, topics, campaign, changed, now, event, note, head.issuer)
    return None


def campaign_after(connection: Connection[Any], head: CommandHead | None, body: object) -> Campaign | None:
    """Returns the campaign that a command is about, as it is now; None: it is about none that exists."""
    if isinstance(body, CampaignBody):
        return campaigns.find(connection, body.campaign_id)
    if isinstance(body, CreateCampaign) and head is not None:
        return campaigns.find(connection, campaign_id(head.id))
    return None


def _changed(
    campaign: Campaign,
    by: str,
    body: StartCampaign | PauseCampaign | ResumeCampaign | CancelCampaign | StartWave,
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
        case other:
            assert_never(other)


def _resolve(
    connection: Connection[Any],
    topics: Topics,
    head: CommandHead,
    campaign: Campaign,
    body: ResolveRecipients,
    sending: SendingPolicy,
    now: datetime,
) -> RefusedSend | None:
    if body.as_ == "send_again" and not sending.enabled:
        return RefusedSend(Rejection.SENDING_DISABLED)
    reopened = reopen(campaign, head.issuer) if body.as_ == "send_again" else campaign
    if isinstance(reopened, Rejection):
        return RefusedSend(reopened, _state_text(campaign))
    settled = resolve_recipients(connection, topics, head, campaign, body, now)
    if not settled:
        return RefusedSend(Rejection.NOTHING_TO_RESOLVE)
    change_campaign(connection, topics, campaign, reopened, now)
    entry = CampaignLogEntry(now, "resolved", head.issuer, body.as_, str(settled))
    campaigns.write_log(connection, campaign.id, [entry])
    return None


def _change_answers(
    connection: Connection[Any],
    head: CommandHead,
    campaign: Campaign,
    body: ChangeAnswers,
    directory: Directory,
    now: datetime,
) -> RefusedSend | None:
    if campaign.state == "cancelled":
        return RefusedSend(Rejection.CAMPAIGN_STATE, _state_text(campaign))
    wrong = answers_rejection(body.answers_to, directory)
    if wrong is not None:
        return RefusedSend(wrong)
    answers = body.answers_to.model_dump(mode="json") if body.answers_to else None
    campaigns.write(connection, with_answers(campaign, answers))
    target = f"{body.answers_to.target.kind} {body.answers_to.target.id}" if body.answers_to else None
    campaigns.write_log(connection, campaign.id, [CampaignLogEntry(now, "answers", head.issuer, None, target)])
    return None


def _may_be_retried(connection: Connection[Any], campaign: Campaign, body: StartWave) -> bool:
    failed = {each.reason for each in counts_of(connection, campaign.id) if each.state == "failed"}
    return bool(codes_to_retry(failed, body.codes))


def _state_text(campaign: Campaign) -> str:
    return f"the campaign is {campaign.state}"


def _create(
    connection: Connection[Any],
    head: CommandHead,
    body: CreateCampaign,
    sending: SendingPolicy,
    directory: Directory,
    now: datetime,
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
    refusal = parameters_refusal(body, templates) or _header_refusal(body, templates, library)
    if refusal is not None:
        return refusal
    nobody = answers_rejection(body.answers_to, directory)
    if nobody is not None:
        return RefusedSend(nobody)
    if body.file is not None:
        if not files.is_read(connection, body.file.file_id):
            return RefusedSend(Rejection.FILE_UNKNOWN, "file.file_id: there is no such file, or it could not be read")
        refusal = columns_refusal(body, files.columns_of(connection, body.file.file_id))
        if refusal is not None:
            return refusal
    earlier = body.customers.campaign_id if body.customers else None
    if earlier is not None and campaigns.find(connection, earlier) is None:
        return RefusedSend(Rejection.CAMPAIGN_UNKNOWN, "customers.campaign_id")
    zone = body.terms.zone or zone_of_number(connection, body.phone_number_id)
    source = body.file or body.customers
    assert source is not None
    campaign = Campaign(
        id=campaign_id(head.id),
        name=body.name,
        phone_number_id=body.phone_number_id,
        account_id=account,
        source={"file" if body.file else "customers": source.model_dump(mode="json")},
        into_active=body.into_active,
        terms={**body.terms.model_dump(mode="json"), "zone": zone},
        answers_to=body.answers_to.model_dump(mode="json") if body.answers_to else None,
        actor=head.issuer,
        changed_by=head.issuer,
        created_at=now,
    )
    if campaigns.create(connection, campaign, templates):
        campaigns.write_log(connection, campaign.id, [CampaignLogEntry(now, "created", head.issuer)])
    return None


def _header_refusal(body: CreateCampaign, templates: Sequence[Template], library: StoredLibrary) -> RefusedSend | None:
    """Returns what is wrong with the file that the header of a template shows to everybody; None: nothing."""
    values = body.file.mapping.values if body.file else body.customers.values if body.customers else {}
    for template in templates:
        if template.header_kind in ("image", "video", "document") and values.get(HEADER, "").strip():
            upload = library.upload(id_) if (id_ := _uuid(values[HEADER])) is not None else None
            if upload is None or upload.kind != template.header_kind:
                return RefusedSend(Rejection.MEDIA_UNKNOWN, f"header: {template.name} shows a {template.header_kind}")
    return None


def _uuid(text: str) -> UUID | None:
    """Returns the id that a text is; None: it is none."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def _is_large(campaign: Campaign, policy: CampaignPolicy) -> bool:
    return policy.second_person_from is not None and sum((campaign.zones or {}).values()) >= policy.second_person_from
