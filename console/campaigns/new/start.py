"""The fourth step of a new campaign: when it starts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.campaigns import texts
from console.campaigns.new.checking import check_view
from console.campaigns.new.draft import Draft, moment_typed
from console.campaigns.new.steps import steps_of_campaign
from console.campaigns.page.actions import ask_campaign
from console.campaigns.page.pages import found_campaign
from console.campaigns.page.standing import answers_of
from console.commands import body, new_form
from console.dependencies import Dependencies
from console.request import target, translated, words
from domain.campaigns.acceptance import STARTS_WITHIN
from domain.campaigns.campaign import STARTABLE, Campaign, CampaignTemplate
from domain.command_bodies.campaigns import StartCampaign
from domain.contract.texts import gettext_noop
from infra.postgres.campaigns import campaigns


def start_pages(deps: Dependencies) -> Blueprint:
    """`/campaigns/ID/start`."""
    pages = Blueprint("start", __name__, url_prefix="/campaigns/<uuid:id_>")

    @pages.get("/start")
    @gate.open_to("campaigns")
    def ask_start(id_: UUID) -> ResponseReturnValue:
        return _start_page(deps, id_)

    @pages.post("/start")
    @gate.open_to("campaigns")
    def start(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            campaign = found_campaign(conn, id_)
        at: datetime | None = None
        if request.form.get("when") == "later":
            at = moment_typed(request.form.get("at", ""), zone_of(campaign))
            if at is None or at < words().now.replace(second=0, microsecond=0):
                return _start_page(deps, id_, translated(gettext_noop("Choose a time that is still to come.")), 422)
            if at > words().now + STARTS_WITHIN:
                return _start_page(deps, id_, translated(gettext_noop("Choose a time within a year.")), 422)
        about = {"campaign_id": id_, "expected_version": request.form.get("version", type=int)}
        in_own_time = at is not None and "own" in request.form
        return ask_campaign(deps, body(StartCampaign, **about, at=at, in_own_time=in_own_time), "campaign_start")

    return pages


def zone_of(campaign: Campaign) -> ZoneInfo:
    """The time zone of a campaign's times: that which it names, else the page's."""
    return ZoneInfo(campaign.terms["zone"]) if campaign.terms.get("zone") else words().zone


def _start_page(deps: Dependencies, id_: UUID, error: str = "", status: int = 200) -> ResponseReturnValue:
    with deps.connection() as conn:
        campaign = found_campaign(conn, id_)
        directory = deps.directory(conn)
        templates = campaigns.templates_of(conn, campaign)
        view = check_view(conn, campaign, templates, Draft.of_campaign(campaign, templates, words().zone))
    zone = zone_of(campaign)
    next_hour = words().now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    change = draft_address(campaign, templates)
    page = render_template(
        "campaigns/start.html",
        shown=view,
        campaign=campaign,
        steps=steps_of_campaign(campaign, templates, view.funnel, 4, change),
        texts=texts,
        error=error,
        form=request.form.get("form") or new_form(),
        zone=zone.key,
        at=request.form.get("at") or (campaign.start_at or next_hour).astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
        later=request.form.get("when") == "later" or (not request.form and campaign.start_at is not None),
        own="own" in request.form if request.form else campaign.in_own_time,
        answers=answers_of(campaign, directory),
        may_start=campaign.state in STARTABLE,
        change=change,
    )
    # the form asks for a notice; in its place the page says what is wrong
    whole = {"HX-Retarget": "main", "HX-Reselect": "main", "HX-Reswap": "outerHTML"} if error and target() else {}
    return page, status, whole


def draft_address(campaign: Campaign, templates: Sequence[CampaignTemplate]) -> str:
    """The address of the draft from which a campaign was created."""
    return url_for("new_campaign.show", **Draft.of_campaign(campaign, templates, words().zone).args())
