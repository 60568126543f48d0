"""`/desk`: the agents' page. What agents do here becomes facts (`console.agent_facts`); what they write, commands."""

from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import agent_facts, gate
from console.commands import new_form
from console.dependencies import Dependencies
from console.desk import view
from console.live.desk import WatchedDesk, desk_changes
from console.notices import kafka_unavailable
from console.pages.chat import summary_of
from console.request import dialog, follow_with, keep_page, person, target
from console.table.query import ListQuery
from domain.ports import PublishFailed
from domain.routing.agents import PresenceState, page_timeout
from infra.postgres.console import desks
from infra.postgres.lists.conversation_parts import entry_cursor
from infra.postgres.lists.own import own_conversations

_LONGEST_NOTE = 1000


def desk_pages(deps: Dependencies) -> Blueprint:
    """`/desk`, `/desk/ID`, what these pages ask for, and what agents do there."""
    pages = Blueprint("desk", __name__, url_prefix="/desk")

    @pages.get("")
    @gate.open_to("desk")
    def show() -> ResponseReturnValue:
        return _show(deps, None)

    @pages.get("/<uuid:id_>")
    @gate.open_to("desk")
    def conversation(id_: UUID) -> ResponseReturnValue:
        return _show(deps, id_)

    @pages.get("/changes")
    @gate.open_to("desk")
    def changes() -> ResponseReturnValue:
        """Whatever differs from what the page has. A conversation that is not theirs any more gives way to the list."""
        id_ = request.args.get("open", type=UUID)
        with deps.connection() as conn:
            directory = deps.directory(conn)
            own = view.own(deps, conn, directory)
            since = entry_cursor(request.args.get("since"))
            shown = (
                view.open_conversation(deps, conn, directory, id_, since) if id_ and gate.may_read(conn, id_) else None
            )
        if _mark(own, shown) == request.args.get("seen"):
            return "", 204
        is_gone = id_ is not None and shown is None
        page = render_template("desk_changes.html", **_context(deps, own, shown), directory=directory, is_gone=is_gone)
        return page, {"HX-Replace-Url": url_for("desk.show")} if is_gone else {}

    @pages.get("/keys")
    @gate.open_to("desk")
    def keys() -> ResponseReturnValue:
        return dialog("desk_keys.html")

    @pages.post("/presence")
    @gate.open_to("desk")
    def presence() -> ResponseReturnValue:
        rings = request.form.get("rings") == "1"
        states: dict[str, PresenceState] = {"ready": "ready", "paused": "paused"}
        state = states.get(request.form.get("state", ""))
        if state is None:
            abort(400)
        if state == "ready" and not rings:
            return _refused("silent")
        reason = request.form.get("reason", "")[:_LONGEST_NOTE].strip() or None
        with deps.connection() as conn, conn.transaction():
            _tell_of_page(deps, conn, rings=rings)
            said = desks.say(conn, person().name, state, reason if state == "paused" else None)
        return _report(partial(agent_facts.report_presence, deps, person().name, said))

    @pages.post("/here")
    @gate.open_to("desk")
    def here() -> ResponseReturnValue:
        """A page answers what its stream says: an offer would be seen and heard there. Without this for some seconds,
        nothing is offered to the agent."""
        with deps.connection() as conn, conn.transaction():
            _tell_of_page(deps, conn, rings=request.form.get("rings") == "1")
        return "", 204

    @pages.post("/alive")
    @gate.open_to("desk")
    def alive() -> ResponseReturnValue:
        """A page tells every minute that it is open and whether it rings. Nobody stays ready whom no page can ring;
        when a page can again, they are ready as they were."""
        me = person().name
        with deps.connection() as conn, conn.transaction():
            is_heard = _tell_of_page(deps, conn, rings=request.form.get("rings") == "1")
            said = desks.say_again(conn, me)
            if said is not None and said.state == "ready" and not is_heard:
                said = desks.say(conn, me, "paused", view.NO_SOUND)
            elif said is not None and said.reason == view.NO_SOUND and is_heard:
                said = desks.say(conn, me, "ready", None)
        if said is None:
            return "", 204
        return _report(partial(agent_facts.report_presence, deps, me, said))

    @pages.post("/<uuid:id_>/accept")
    @gate.open_to("desk")
    def accept(id_: UUID) -> ResponseReturnValue:
        return _act(deps, id_, "assigned", "accepted")

    @pages.post("/<uuid:id_>/decline")
    @gate.open_to("desk")
    def decline(id_: UUID) -> ResponseReturnValue:
        return _act(deps, id_, "assigned", "declined", note=_typed("note"))

    @pages.get("/<uuid:id_>/close")
    @gate.open_to("desk")
    def closing(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            outcomes = view.outcomes(conn, deps.directory(conn))
        return dialog("desk_close.html", id=id_, outcomes=outcomes, form=new_form())

    @pages.post("/<uuid:id_>/close")
    @gate.open_to("desk")
    def close(id_: UUID) -> ResponseReturnValue:
        return _act(deps, id_, "accepted", "closed", outcome=_typed("outcome"), note=_typed("note"))

    return pages


def desk_live_pages(deps: Dependencies) -> Blueprint:
    """`/desk/live`: the stream that tells an open page that something changed."""
    pages = Blueprint("desk_live", __name__, url_prefix="/desk")

    @pages.get("/live")
    @gate.open_to("desk")
    def stream() -> ResponseReturnValue:
        session = gate.token_hash(g.token)
        if not deps.desks.has_room(session):
            abort(503)
        watched = WatchedDesk(session, person().name, _readable(deps, request.args.get("open", type=UUID)))
        follow_with(partial(deps.desks.stream, session, watched, desk_changes))
        headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        return Response(b"retry: 2000\n\n", content_type="text/event-stream", headers=headers)

    return pages


def _show(deps: Dependencies, id_: UUID | None) -> ResponseReturnValue:
    with deps.connection() as conn:
        directory = deps.directory(conn)
        own = view.own(deps, conn, directory)
        if own.standing.state == "offline" and target() is None:
            desks.forget_old(conn, person().name, deps.terms.presence_timeout)
        shown, reasons = None, view.reasons(conn)
        if id_ is not None:
            if not gate.may_read(conn, id_):
                gate.audit_refusal(deps, "forbidden", "level", id_)
                abort(404)
            message = request.args.get("message", type=UUID)
            shown = view.open_conversation(deps, conn, directory, id_, message=message)
            if shown is None:
                abort(404)
    template = "desk_opened.html" if target() == "desk-open" else "desk.html"
    return render_template(template, **_context(deps, own, shown), directory=directory, reasons=reasons)


def _context(deps: Dependencies, own: view.Own, shown: view.Open | None) -> dict[str, Any]:
    id_ = shown.panel.part.conversation.id if shown else None
    return {
        "own": own,
        "shown": shown,
        "mark": _mark(own, shown),
        "offer_seconds": int(deps.terms.offer.total_seconds()),
        "query": ListQuery(open=id_),
        "summary_of": summary_of,
    }


def _mark(own: view.Own, shown: view.Open | None) -> str:
    return f"{own.mark} {shown.panel.mark if shown else ''}"


def _readable(deps: Dependencies, id_: UUID | None) -> UUID | None:
    with deps.connection() as conn:
        return id_ if id_ is not None and gate.may_read(conn, id_) else None


def _tell_of_page(deps: Dependencies, conn: Connection[Any], *, rings: bool) -> bool:
    page = request.form.get("page", type=UUID)
    lives = page_timeout(deps.terms.presence_timeout)
    if page is None:
        return desks.is_heard(conn, person().name, lives)
    return desks.tell_of_page(conn, person().name, page, lives, rings=rings)


def _act(deps: Dependencies, id_: UUID, state: str, action: str, **more: str | None) -> ResponseReturnValue:
    """Reports what the agent does with a conversation, if it is still theirs in this state."""
    with deps.connection() as conn:
        mine = [
            row
            for row in own_conversations(conn, person().name)
            if row.id == id_ and row.owner and row.owner.state == state
        ]
    if not mine:
        return _refused("not_yours")
    form = request.form.get("form", "")
    report = partial(agent_facts.report_action, deps, action, person().name, id_, form, **more)
    return _report(report, None if action == "declined" else id_)


def _report(report: partial[None], open_: UUID | None = None) -> ResponseReturnValue:
    """Publishes a fact. The page learns by its stream what it led to; without script it is shown again. `open_`: the
    conversation that it then shows. A script opens it when it is theirs (static/desk.js): opened twice, the second
    would take away what is being typed."""
    try:
        report()
    except PublishFailed:
        return kafka_unavailable()
    if target() == "dialog":
        return ""  # it closes
    if target() is not None:
        return "", 204
    return redirect(url_for("desk.conversation", id_=open_) if open_ else url_for("desk.show"), 303)


def _refused(why: str) -> ResponseReturnValue:
    page = render_template("refused.html", why=why, whole_page=target() is None)
    return keep_page(Response(page, 422))


def _typed(name: str) -> str | None:
    return request.form.get(name, "")[:_LONGEST_NOTE].strip() or None
