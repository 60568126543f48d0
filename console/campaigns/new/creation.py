"""Asks for a campaign to be created from a draft."""

from uuid import UUID

from flask import url_for
from pydantic import ValidationError

from console.campaigns.new.draft import Draft, readable
from console.commands import CommandRequest, submit
from console.dependencies import Dependencies
from console.request import translated, words
from console.words import zone_meant
from domain.campaigns.campaign import UNSTARTED
from domain.command_bodies.campaigns import CancelCampaign
from domain.contract.texts import gettext_noop
from infra.postgres.campaigns import campaigns


class WrongDraft(Exception):
    """A draft from which no campaign can be created. The message is a sentence in the language of the page."""


def ask_for(deps: Dependencies, draft: Draft, form: str) -> str:
    """Submits the command and returns its id; the campaign that the draft replaces is cancelled, unless it was started
    meanwhile. Raises WrongDraft, and PublishFailed: it is safe to ask again."""
    if not draft.name:
        raise WrongDraft(translated(gettext_noop("Give the campaign a name.")))
    if draft.source == "file" and draft.column_of("phone") is None:
        raise WrongDraft(translated(gettext_noop("Say in which column the phones are.")))
    if draft.zone and zone_meant(draft.zone) is None:
        text = gettext_noop("Unknown time zone: type a city from the list, e.g. Rome, or leave it empty.")
        raise WrongDraft(translated(text))
    try:
        command = readable(draft, words().zone)
    except ValidationError as wrong:
        raise WrongDraft(_error(str(wrong.errors()[0]["loc"]))) from None
    # the address of the draft is kept with the request, so that a rejected one can be changed
    detail: dict[str, object] = {"back": url_for("new_campaign.show", **draft.args())}
    requests = [CommandRequest(command, "campaign_create", detail)]
    if draft.replaces is not None and _may_be_replaced(deps, draft.replaces):
        requests.append(CommandRequest(CancelCampaign(campaign_id=draft.replaces), "campaign_cancel"))
    return submit(deps, form, requests)[0]


def _may_be_replaced(deps: Dependencies, campaign: UUID) -> bool:
    with deps.connection() as conn:
        found = campaigns.find(conn, campaign)
    return found is not None and found.state in UNSTARTED


def _error(place: str) -> str:
    """What cannot be understood, by the place in the command where it stands."""
    for name, text in (
        ("wrote", gettext_noop("A time was not understood.")),
        ("quiet", gettext_noop("Quiet hours need two times of day that differ.")),
        ("canary", gettext_noop("The first messages: a number from 0 to 100,000.")),
        ("cap_days", gettext_noop("Days since the last campaign: a number from 1 to 365.")),
    ):
        if name in place:
            return translated(text)
    return translated(gettext_noop("Something that was chosen is not possible. Look at it again."))
