"""`/directory/live`: the stream that tells an open page of the directory that something changed."""

from functools import partial

from flask import Blueprint, Response, abort, g
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.live.directory import WatchedDirectory, directory_changes
from console.request import follow_with, person


def directory_live_pages(deps: Dependencies) -> Blueprint:
    """`/directory/live`."""
    pages = Blueprint("directory_live", __name__)

    @pages.get("/directory/live")
    @gate.open_to("overview")
    def stream() -> ResponseReturnValue:
        session = gate.token_hash(g.token)
        if not deps.directories.has_room(session):
            abort(503)
        watched = WatchedDirectory(session, person().name)
        follow_with(partial(deps.directories.stream, session, watched, directory_changes))
        headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        return Response(b"retry: 2000\n\n", content_type="text/event-stream", headers=headers)

    return pages
