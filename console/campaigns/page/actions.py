"""What can be done with a campaign: start, pause, resume, cancel, another wave, and who gets the answers."""

from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.campaigns import texts
from console.campaigns.page.pages import found_campaign
from console.campaigns.page.view import campaign_view
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.notices import kafka_unavailable, submitted
from console.request import dialog
from domain.campaigns.waves import NO_CODE
from domain.command_bodies.campaigns import (
    CampaignCommand,
    CancelCampaign,
    ChangeAnswers,
    PauseCampaign,
    ResolveRecipients,
    ResumeCampaign,
    StartCampaign,
    StartWave,
)
from domain.ports import PublishFailed


def campaign_actions(deps: Dependencies) -> Blueprint:
    """The commands of a campaign's page, each a form, and the dialogs of those that ask something first."""
    pages = Blueprint("campaign_actions", __name__, url_prefix="/campaigns/<uuid:id_>")

    @pages.post("/pause")
    @gate.open_to("campaigns")
    def pause(id_: UUID) -> ResponseReturnValue:
        return ask_campaign(deps, body(PauseCampaign, **_about(id_), note=_note()), "campaign_pause")

    @pages.post("/resume")
    @gate.open_to("campaigns")
    def resume(id_: UUID) -> ResponseReturnValue:
        return ask_campaign(deps, body(ResumeCampaign, **_about(id_)), "campaign_resume")

    @pages.post("/begin")
    @gate.open_to("campaigns")
    def begin(id_: UUID) -> ResponseReturnValue:
        """Starts it now, or confirms a start as the first person asked for it."""
        with deps.connection() as conn:
            campaign = found_campaign(conn, id_)
        when = {"at": campaign.start_at, "in_own_time": campaign.in_own_time} if "confirm" in request.form else {}
        return ask_campaign(deps, body(StartCampaign, **_about(id_), **when), "campaign_start")

    @pages.get("/cancel")
    @gate.open_to("campaigns")
    def ask_cancel(id_: UUID) -> ResponseReturnValue:
        return _dialog(deps, id_, "campaigns/cancel.html")

    @pages.post("/cancel")
    @gate.open_to("campaigns")
    def cancel(id_: UUID) -> ResponseReturnValue:
        return ask_campaign(deps, body(CancelCampaign, **_about(id_), note=_note()), "campaign_cancel")

    @pages.get("/wave")
    @gate.open_to("campaigns")
    def ask_wave(id_: UUID) -> ResponseReturnValue:
        return _dialog(deps, id_, "campaigns/wave.html")

    @pages.post("/wave")
    @gate.open_to("campaigns")
    def wave(id_: UUID) -> ResponseReturnValue:
        """Tries those again with the ticked reasons. As proposed, it is everybody who can succeed by then."""
        ticked = set(request.form.getlist("code"))
        if not ticked:
            return _dialog(deps, id_, "campaigns/wave.html", nothing=True)
        codes = None if ticked == set(request.form.getlist("usual")) else sorted(ticked)
        return ask_campaign(deps, body(StartWave, **_about(id_), codes=codes), "campaign_wave")

    @pages.get("/answers")
    @gate.open_to("campaigns")
    def ask_answers(id_: UUID) -> ResponseReturnValue:
        return _dialog(deps, id_, "campaigns/answers.html")

    @pages.post("/answers")
    @gate.open_to("campaigns")
    def answers(id_: UUID) -> ResponseReturnValue:
        kind, _, target = request.form.get("to", "").partition(":")
        hours, mode = request.form.get("hours", ""), request.form.get("mode", "exclusive")
        to = {"target": {"kind": kind, "id": target}, "mode": mode, "holds_hours": hours} if target else None
        return ask_campaign(deps, body(ChangeAnswers, **_about(id_), answers_to=to), "campaign_answers")

    @pages.post("/resolve")
    @gate.open_to("campaigns")
    def resolve(id_: UUID) -> ResponseReturnValue:
        about = {"campaign_id": id_, "row_no": request.form.get("row", type=int)}
        command = body(ResolveRecipients, **about, as_=request.form.get("as"))
        return ask_campaign(deps, command, f"campaign_{command.as_}")

    return pages


def _about(id_: UUID) -> dict[str, Any]:
    """The campaign, as the form showed it."""
    return {"campaign_id": id_, "expected_version": request.form.get("version", type=int)}


def _note() -> str | None:
    return request.form.get("note", "").replace("\0", "").strip()[:200] or None


def ask_campaign(deps: Dependencies, command: CampaignCommand, what: str) -> ResponseReturnValue:
    """Submits the command of a form; the notice about it."""
    try:
        ids = submit(deps, request.form.get("form", ""), [CommandRequest(command, what)])
    except PublishFailed:
        return kafka_unavailable()
    return submitted(deps, ids[0])


def _dialog(deps: Dependencies, id_: UUID, template: str, *, nothing: bool = False) -> ResponseReturnValue:
    """A dialog of the page. `nothing`: what it asked for was not chosen."""
    with deps.connection() as conn:
        directory = deps.directory(conn)
        campaign = found_campaign(conn, id_)
        view = campaign_view(conn, campaign, directory)
    to = campaign.answers_to
    return dialog(
        template,
        422 if nothing else 200,
        campaign=campaign,
        shown=view,
        nothing=nothing,
        texts=texts,
        no_code=NO_CODE,
        directory=directory,
        form=new_form(),
        back=url_for("campaign.show", id_=id_),
        chosen=f"{to['target']['kind']}:{to['target']['id']}" if to else "",
        mode=to["mode"] if to else "exclusive",
        hours=to["holds_hours"] if to else ANSWERS_HOLD_HOURS,
        all_hours=HOURS,
    )


ANSWERS_HOLD_HOURS = 72
HOURS = (4, 12, 24, 48, 72, 168, 336, 720)
"""For how long answers are reserved."""
