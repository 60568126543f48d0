"""Giving a conversation away on the agents' page: handing it over, parking it, giving it back, and taking it over. All
of them are the same command (domain.md, *Releasing*)."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.notices import submitted
from console.pages.recipients import Options, agent_options, skillset_options
from console.request import dialog, person, translated, words
from domain.commands import MAX_NOTE, Release
from domain.contract.texts import gettext_noop
from domain.conversations.conversation import Conversation, OwnerKind
from domain.conversations.ownership.deadlines import reservation_end
from domain.directory import Directory
from domain.ports import PublishFailed
from infra.postgres.lists.conversation_page import read_conversation

_PARKED_FOR = tuple(timedelta(minutes=each) for each in (15, 30, 60, 120, 240, 480, 720))
"""How long a conversation can be parked, as far as its window lasts."""


class ParkingTime(NamedTuple):
    """When a parked conversation can come back. `value`: the moment as the form sends it; `text`: how people say it."""

    value: str
    text: str


def release_pages(deps: Dependencies) -> Blueprint:
    """`/desk/ID/hand-over`, `/desk/ID/park`, `/desk/ID/give-back`, `/desk/ID/take-over`."""
    pages = Blueprint("releases", __name__, url_prefix="/desk/<uuid:id_>")

    @pages.get("/<any('hand-over', 'park', 'give-back', 'take-over'):how>")
    @gate.open_to("desk")
    def show(id_: UUID, how: str) -> ResponseReturnValue:
        return _dialog(deps, id_, how)

    @pages.post("/hand-over")
    @gate.open_to("desk")
    def hand_over(id_: UUID) -> ResponseReturnValue:
        kind, _, name = request.form.get("to", "").partition(":")
        if kind not in ("user", "skillset") or not name:
            return _dialog(deps, id_, "hand-over", translated(gettext_noop("Choose a recipient first.")), 422)
        target = {"kind": kind, "id": name}
        requested = _release(id_, target=target, mode="exclusive")
        return _submit(deps, id_, "hand-over", requested, "hand_over", kind=kind, target=name)

    @pages.post("/park")
    @gate.open_to("desk")
    def park(id_: UUID) -> ResponseReturnValue:
        try:
            until = datetime.fromisoformat(request.form.get("until", ""))
        except ValueError:
            return _dialog(deps, id_, "park", translated(gettext_noop("Choose when it comes back.")), 422)
        skillset = request.form.get("skillset")
        target = {"kind": "skillset", "id": skillset} if skillset else {"kind": "user", "id": person().name}
        requested = _release(id_, target=target, park_until=until)
        return _submit(deps, id_, "park", requested, "park", until=words().clock(until))

    @pages.post("/give-back")
    @gate.open_to("desk")
    def give_back(id_: UUID) -> ResponseReturnValue:
        return _submit(deps, id_, "give-back", _release(id_), "give_back")

    @pages.post("/take-over")
    @gate.open_to("desk")
    def take_over(id_: UUID) -> ResponseReturnValue:
        me = {"kind": "user", "id": person().name}
        return _submit(deps, id_, "take-over", _release(id_, target=me, mode="immediate"), "take_over")

    return pages


def _release(id_: UUID, **fields: object) -> Release:
    note = request.form.get("note", "").replace("\r\n", "\n").replace("\0", "").strip()[:MAX_NOTE] or None
    version = request.form.get("version", type=int)
    return body(Release, conversation_id=id_, expected_version=version, note=note, **fields)


def _submit(
    deps: Dependencies, id_: UUID, how: str, release: Release, what: str, **detail: object
) -> ResponseReturnValue:
    with deps.connection() as conn:
        _releasable(deps, conn, id_)
    try:
        ids = submit(deps, request.form.get("form", ""), [CommandRequest(release, what, detail)])
    except PublishFailed:
        text = gettext_noop("Nothing was done: the message queue (Kafka) is not responding. Try again in a moment.")
        return _dialog(deps, id_, how, translated(text), 503)
    return submitted(deps, ids[0])


def _dialog(deps: Dependencies, id_: UUID, how: str, error: str = "", status: int = 200) -> ResponseReturnValue:
    """The dialog with what was chosen and typed."""
    with deps.connection() as conn:
        directory = deps.directory(conn)
        conversation = _releasable(deps, conn, id_)
        options: dict[OwnerKind, Options] = {}
        if how == "hand-over":
            owner = conversation.owner
            everybody = agent_options(deps, conn, directory)
            others = [each for each in everybody if owner is None or not owner.is_user(each.id)]
            options = {"skillset": skillset_options(deps, conn, directory), "user": others}
    reserved_to = words().now + deps.terms.reservation
    return dialog(
        "desk_release.html",
        status,
        id=id_,
        how=how,
        options=options,
        until=reservation_end(reserved_to, conversation.window_ends_at),
        times=_parking_times(conversation),
        skillsets=[each for each in directory.skillsets.values() if each.id in _own_skillsets(directory)],
        version=request.form.get("version", conversation.version, type=int),
        note=request.form.get("note", ""),
        most=MAX_NOTE,
        form=request.form.get("form") or new_form(),
        error=error,
    )


def _releasable(deps: Dependencies, conn: Connection[Any], id_: UUID) -> Conversation:
    """The conversation, if the person may give it away: their own, for administrators every one, and for supervisors
    what they supervise. Aborts with 404 if it does not exist, and with 403 if they may not."""
    conversation = read_conversation(conn, id_)
    if conversation is None:
        abort(404)
    is_mine = conversation.owner is not None and conversation.owner.is_user(person().name)
    if not is_mine and not gate.within_reach(conn, [id_]):
        gate.audit_refusal(deps, "forbidden", "level", id_)
        abort(403)
    return conversation


def _own_skillsets(directory: Directory) -> Collection[str]:
    me = directory.users.get(person().name)
    return me.skillsets if me is not None else ()


def _parking_times(conversation: Conversation) -> list[ParkingTime]:
    speech = words()
    found = []
    for after in _PARKED_FOR:
        until = (speech.now + after).replace(second=0, microsecond=0)
        if reservation_end(until + timedelta(minutes=1), conversation.window_ends_at) > until:
            found.append(ParkingTime(until.isoformat(), f"{speech.left(speech.now + after)} · {speech.clock(until)}"))
    return found
