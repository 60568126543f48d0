"""`/campaigns/live`: the stream that tells an open page that its campaign, or the file that it waits for, changed."""

from functools import partial
from uuid import UUID

from flask import Blueprint, Response, abort, g, request
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.live.campaigns import WatchedCampaign, campaign_changes
from console.request import follow_with, person


def campaign_live_pages(deps: Dependencies) -> Blueprint:
    """`/campaigns/live?about=ID`: of a campaign or a file."""
    pages = Blueprint("campaigns_live", __name__)

    @pages.get("/campaigns/live")
    @gate.open_to("campaigns")
    def stream() -> ResponseReturnValue:
        about = request.args.get("about", type=UUID)
        if about is None:
            abort(400)
        session = gate.token_hash(g.token)
        if not deps.campaigns.has_room(session):
            abort(503)
        watched = WatchedCampaign(session, person().name, about)
        follow_with(partial(deps.campaigns.stream, session, watched, campaign_changes))
        headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        return Response(b"retry: 2000\n\n", content_type="text/event-stream", headers=headers)

    return pages
