"""`/conversations/ID/history`: a conversation moment by moment, with what was known then and why it was on the list."""

from uuid import UUID

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.pages.chat import summary_of
from domain.statistics.moments import LATE, known_at, known_since, moments
from infra.postgres.statistics.replay import read_replay


def replay_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/history?moment=N`."""
    pages = Blueprint("replay", __name__)

    @pages.get("/conversations/<uuid:id_>/history")
    @gate.open_to("messages")
    def show(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            found = read_replay(conn, id_) if gate.may_read(conn, id_) else None
            if found is None:
                abort(404)
            directory = deps.directory(conn)
        times = moments(found.facts, found.history)
        place = min(max(1, request.args.get("moment", len(times), type=int)), len(times))
        known = known_at(found.facts, found.history, times[place - 1])
        facts = {fact.id: fact for fact in found.facts}
        return render_template(
            "analytics/replay.html",
            of=found.conversation,
            cut=found.cut,
            times=times,
            place=place,
            known=known,
            items=[item for item in found.transcript if item.id in set(known.facts)],
            because={item.id: item for item in found.transcript},
            late={id_ for id_, fact in facts.items() if known_since(fact) - fact.at > LATE},
            learned={id_: known_since(fact) for id_, fact in facts.items()},
            directory=directory,
            summary_of=summary_of,
        )

    return pages
