"""Transfers on reply of one conversation: the dialog on a closed one, the list of what was promised, and cancelling it.
Each one submits a command; nothing here changes a conversation."""

from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.notices import back, kafka_unavailable, submitted
from console.pages.recipients import first_choice, recipient_options
from console.phrases import actor_name, owner_name, promised_to
from console.request import dialog, translated
from console.sending.box import refusal_text
from console.sending.template_form import chosen_template, filled_form, template_message, wrong_with
from console.table.rows import RowView, row_view
from domain.commands import Recall, Rejection, TransferOnReply
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.ports import PublishFailed
from domain.wishes.wish import OPEN, WISH_STATES, Wish, WishState, shown_state, wish_id
from infra.postgres import wishes
from infra.postgres.lists import console as console_list
from infra.postgres.sending.library import templates_of_number

MOST = 500
"""The most rows of the list."""
HOURS = (4, 24, 72, 168)
"""How long a transfer may wait for an answer, as the dialog offers it."""


class PromisedRow(NamedTuple):
    """A row of the list. `line`: the closed conversation; None: it is gone. `to`: the target's name; `state`: in
    words."""

    wish: Wish
    line: RowView | None
    to: str
    by: str
    state: str
    text: str


class Promised(NamedTuple):
    """An open transfer on reply. `text`: to whom, and until when."""

    id: UUID
    text: str


def deferred_pages(deps: Dependencies) -> Blueprint:
    """`/deferred`, `/conversations/ID/on-reply/KIND`."""
    pages = Blueprint("deferred", __name__)

    @pages.get("/deferred")
    @gate.open_to("overview")
    def show() -> ResponseReturnValue:
        everything = "all" in request.args
        with deps.connection() as conn:
            rows = _rows(conn, deps.directory(conn), WISH_STATES if everything else OPEN)
        return render_template("deferred.html", rows=rows, everything=everything, most=MOST)

    @pages.post("/commands/<uuid:command_id>/undo-promise")
    @gate.open_to("actions")
    def undo(command_id: UUID) -> ResponseReturnValue:
        """Cancels what a command promised, whose notice knows no other id."""
        return cancel(wish_id(str(command_id)))

    @pages.post("/deferred/<uuid:id_>/cancel")
    @gate.open_to("actions")
    def cancel(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            wish = wishes.find(conn, id_)
        if wish is None:
            abort(404)
        requested = CommandRequest(body(Recall, deferred_id=id_), "cancel_deferred", about=wish.conversation_id)
        try:
            ids = submit(deps, request.form.get("form", ""), [requested])
        except PublishFailed:
            return kafka_unavailable()
        return submitted(deps, ids[0])

    @pages.get("/conversations/<uuid:id_>/on-reply/<any(user, skillset):kind>")
    @gate.open_to("actions")
    def offer(id_: UUID, kind: Literal["user", "skillset"]) -> ResponseReturnValue:
        return _dialog(deps, id_, kind)

    @pages.post("/conversations/<uuid:id_>/on-reply/<any(user, skillset):kind>")
    @gate.open_to("actions")
    def promise(id_: UUID, kind: Literal["user", "skillset"]) -> ResponseReturnValue:
        if request.form.get("do") == "preview":
            return _dialog(deps, id_, kind)
        with deps.connection() as conn:
            row = _row(conn, deps.directory(conn), id_)
            template = chosen_template(templates_of_number(conn, row.of.phone_number_id))
        chosen = request.form.get("to", "")
        if template is None:  # another one is shown in its place, and must not be sent instead by pressing again
            return _dialog(deps, id_, kind, refusal_text(Rejection.TEMPLATE_UNKNOWN), 422)
        if not chosen:
            return _dialog(deps, id_, kind, translated(gettext_noop("Choose a recipient first.")), 422)
        if error := wrong_with(template, request.form):
            return _dialog(deps, id_, kind, error, 422)
        command = body(
            TransferOnReply,
            conversation_id=id_,
            template=template_message(template, request.form).model_dump(exclude_none=True),
            target={"kind": kind, "id": chosen},
            mode=request.form.get("mode", "exclusive"),
            holds_hours=request.form.get("hours", type=int) or HOURS[2],
        )
        requested = CommandRequest(command, "on_reply", {"kind": kind, "target": chosen})
        try:
            ids = submit(deps, request.form.get("form", ""), [requested])
        except PublishFailed:
            text = gettext_noop("Not sent: the message queue (Kafka) is not responding. Try again in a moment.")
            return _dialog(deps, id_, kind, translated(text), 503)
        return submitted(deps, ids[0])

    return pages


def promised_of(conn: Connection[object], directory: Directory, conversation: UUID) -> Promised | None:
    """To whom the answer to a closed conversation is promised; None: to nobody."""
    found = wishes.open_with(conn, [conversation]).get(conversation)
    if found is None:
        return None
    wish = found.wish
    return Promised(wish.id, promised_to(directory, wish.target_kind, wish.target_id, wish.ends_at))


def _rows(conn: Connection[object], directory: Directory, states: Sequence[WishState]) -> list[PromisedRow]:
    found = wishes.listed(conn, states, MOST)
    about = console_list.by_ids(conn, [each.wish.conversation_id for each in found])
    return [
        PromisedRow(
            wish,
            row_view(about[wish.conversation_id], directory) if wish.conversation_id in about else None,
            owner_name(directory, wish.target_kind, wish.target_id),
            actor_name(directory, wish.actor),
            translated(_ENDS[wish.ended_because] if wish.ended_because else _STATES[shown_state(wish, send)]),
            text or "",
        )
        for wish, send, text in found
    ]


_STATES = {
    "waiting": gettext_noop("the template waits"),
    "armed": gettext_noop("waits for an answer"),
    "executed": gettext_noop("answered and transferred"),
    "ended": gettext_noop("ended"),
}
_ENDS = {
    "expired": gettext_noop("no answer in time"),
    "cancelled": gettext_noop("cancelled"),
    "template_failed": gettext_noop("the template could not be sent"),
    "superseded": gettext_noop("somebody else took care of it"),
    "opted_out": gettext_noop("the customer wants no more messages"),
}


def _dialog(
    deps: Dependencies, id_: UUID, kind: Literal["user", "skillset"], error: str = "", status: int = 200
) -> ResponseReturnValue:
    """The dialog with what was chosen and typed."""
    with deps.connection() as conn:
        directory = deps.directory(conn)
        row = _row(conn, directory, id_)
        found = templates_of_number(conn, row.of.phone_number_id)
        options = recipient_options(deps, conn, directory, kind)
        promised = promised_of(conn, directory, id_)
    usable = [each for each in found if each.is_sendable and each.header_kind in ("none", "text")]
    template = chosen_template(usable) or (usable[0] if usable else None)
    return dialog(
        "on_reply.html",
        status,
        line=row,
        kind=kind,
        options=options,
        templates=usable,
        filled=filled_form(template, request.form) if template else None,
        promised=promised.text if promised else "",
        error=error,
        form=request.form.get("form") or new_form(),
        chosen=request.values.get("to") or first_choice(options),
        mode=request.values.get("mode") or "exclusive",
        hours=request.values.get("hours", type=int) or HOURS[2],
        all_hours=HOURS,
        back=back(),
    )


def _row(conn: Connection[object], directory: Directory, id_: UUID) -> RowView:
    found = console_list.by_ids(conn, [id_])
    if not found:
        abort(404)
    return row_view(found[id_], directory)
