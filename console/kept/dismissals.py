"""Dismissing a conversation, or several: a dialog that asks why, and the command."""

from collections.abc import Sequence
from typing import cast, get_args
from uuid import UUID

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.notices import back, submitted
from console.request import dialog
from console.table.rows import row_view
from domain.command_bodies.parts import DismissedAs
from domain.commands import MAX_NOTE, Dismiss
from domain.ports import PublishFailed
from infra.postgres.lists import console as console_list

WHYS: Sequence[DismissedAs] = get_args(DismissedAs)


def dismissal_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/dismiss`."""
    pages = Blueprint("dismissals", __name__, url_prefix="/conversations/<uuid:id_>")

    @pages.get("/dismiss")
    @gate.open_to("actions")
    def ask(id_: UUID) -> ResponseReturnValue:
        return _dialog(deps, id_)

    @pages.post("/dismiss")
    @gate.open_to("actions")
    def dismiss(id_: UUID) -> ResponseReturnValue:
        version, entries = (request.form.get(key, type=int) for key in ("version", "entries"))
        requested = dismissal(id_, version, entries=entries)
        try:
            ids = submit(deps, request.form.get("form", ""), [requested])
        except PublishFailed:
            return _dialog(deps, id_, "kafka", 503)
        return submitted(deps, ids[0])

    return pages


def dismissal(id_: UUID, version: int | None, batch: str | None = None, entries: int | None = None) -> CommandRequest:
    """The command that the form of the request asks for, for one conversation. `version`, `entries`: as the person saw
    it."""
    why = request.form.get("why")
    if why not in WHYS:
        abort(400)
    note = request.form.get("note", "").replace("\r\n", "\n").replace("\x00", "").strip()[:MAX_NOTE] or None
    command = body(
        Dismiss,
        conversation_id=id_,
        why=why,
        note=note,
        expected_version=version,
        expected_entries=entries,
        batch_id=batch,
    )
    return CommandRequest(command, "dismiss", {"why": cast(DismissedAs, why)})


def _dialog(deps: Dependencies, id_: UUID, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    with deps.connection() as conn:
        directory = deps.directory(conn)
        found = console_list.by_ids(conn, [id_])
    if not found:
        abort(404)
    return dialog(
        "dismiss.html",
        status,
        line=row_view(found[id_], directory),
        whys=WHYS,
        chosen=request.form.get("why") or WHYS[0],
        note=request.form.get("note", ""),
        error=error,
        form=request.form.get("form") or new_form(),
        version=request.form.get("version") or found[id_].version,
        entries=request.form.get("entries") or found[id_].entries,
        action=url_for("dismissals.dismiss", id_=id_),
        back=back(),
    )
