"""`/campaigns/ID`: a campaign's page."""

from typing import Any
from uuid import UUID

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.campaigns import texts
from console.campaigns.page.view import campaign_view
from console.dependencies import Dependencies
from console.phrases import rejection
from console.request import person, words
from domain.campaigns.campaign import OVER, STARTABLE, Campaign, campaign_id
from infra.postgres.campaigns import campaigns
from infra.postgres.console import audit


def campaign_pages(deps: Dependencies) -> Blueprint:
    """`/campaigns/ID`."""
    pages = Blueprint("campaign", __name__)

    @pages.get("/campaigns/<uuid:id_>")
    @gate.open_to("campaigns")
    def show(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            campaign = campaigns.find(conn, id_)
            if campaign is None:
                return not_there_yet(conn, id_)
            directory = deps.directory(conn)
            view = campaign_view(conn, campaign, directory)
        return render_template(
            "campaigns/page.html",
            shown=view,
            campaign=campaign,
            directory=directory,
            texts=texts,
            may_cancel=campaign.state not in (*OVER, "finishing"),
            may_start=campaign.state in STARTABLE,
            may_confirm=campaign.state == "unconfirmed" and campaign.started_by != person().name,
            is_root=person().level == "tenant_administrator",
        )

    return pages


def found_campaign(conn: Connection[Any], id_: UUID) -> Campaign:
    """The campaign with this id. Aborts with 404."""
    campaign = campaigns.find(conn, id_)
    if campaign is None:
        abort(404)
    return campaign


def not_there_yet(conn: Connection[Any], id_: UUID) -> ResponseReturnValue:
    """The page of a campaign that the person has just asked for: its command is not processed yet, or was rejected.
    Aborts with 404 for any other."""
    command = audit.requested_command(conn, request.args.get("command", "")[:100])
    if command is None or command.name != person().name or campaign_id(command.command_id) != id_:
        abort(404)
    rejected = command.outcome == "rejected"
    late = not rejected and (words().now - command.at).total_seconds() > LATE_SECONDS
    page = render_template(
        "campaigns/awaited.html",
        about=id_,
        rejected=rejection(command.reason) if rejected else "",
        late=late,
        back=command.detail.get("back") or url_for("new_campaign.show"),
    )
    return page, 200 if not rejected else 422


LATE_SECONDS = 15
"""From then on the page says that the command still waits."""
