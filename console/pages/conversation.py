"""Actions on one conversation: transfer to a user or a skillset (manual facts S8, S9, S10), take, recall, forward by
mail (S12). Each one submits a command; nothing here changes a conversation."""

from dataclasses import replace
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection
from werkzeug.datastructures import MultiDict

from console import gate
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.kept.suggestion import suggested_target
from console.notices import back, kafka_unavailable, notice, submitted
from console.pages import panel
from console.pages.mail_form import MailError, mail_error, mail_preview_page, mail_request, typed_mail
from console.pages.recipients import first_choice, first_mode, recipient_options
from console.request import dialog, person, target, words
from console.table.query import ListQuery
from console.table.rows import RowView, row_view
from domain.command_bodies.parts import Target
from domain.commands import Recall, Transfer
from domain.conversations.ownership.deadlines import reservation_end
from domain.directory import Directory
from domain.ids import ConversationId
from domain.mail import mail_id
from domain.ports import PublishFailed
from infra.postgres import mails
from infra.postgres.console import audit, sign_ins
from infra.postgres.lists import console as console_list


def conversation_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/...`, `/mails/...`, `/commands/ID`."""
    pages = Blueprint("conversations", __name__, url_prefix="")

    @pages.get("/conversations/<uuid:id_>/transfer/<any(user, skillset):kind>")
    @gate.open_to("actions")
    def offer(id_: UUID, kind: Literal["user", "skillset"]) -> ResponseReturnValue:
        return _transfer_form(deps, id_, kind)

    @pages.post("/conversations/<uuid:id_>/transfer/<any(user, skillset):kind>")
    @gate.open_to("actions")
    def transfer_to(id_: UUID, kind: Literal["user", "skillset"]) -> ResponseReturnValue:
        chosen, mode = request.form.get("to", ""), request.form.get("mode", "immediate")
        if not chosen or mode not in ("immediate", "exclusive"):
            return _transfer_form(deps, id_, kind, error="no_recipient", status=422)
        version = request.form.get("version", type=int)
        recalls = []
        if version is not None and "recall" in request.form:
            recalls = [CommandRequest(body(Recall, conversation_id=id_, expected_version=version), "recall")]
            version += 1  # of the recall; if somebody else decided meanwhile, both are rejected
        transfer = body(
            Transfer,
            conversation_id=id_,
            target={"kind": kind, "id": chosen},
            mode=mode,
            expected_version=version,
        )
        requested = CommandRequest(transfer, transfer.mode, {"kind": kind, "target": chosen})
        try:
            ids = submit(deps, request.form.get("form", ""), [*recalls, requested])
        except PublishFailed:
            return _transfer_form(deps, id_, kind, error="kafka", status=503)
        if (onward := "onward" in request.form) != person().moves_on:
            with deps.connection() as conn:
                sign_ins.prefer_moving_on(conn, person().name, onward)
        return submitted(deps, ids[-1])

    @pages.post("/conversations/<uuid:id_>/take")
    @gate.open_to("actions")
    def take(id_: UUID) -> ResponseReturnValue:
        if not person().answers:
            gate.audit_refusal(deps, "forbidden", "level", id_)
            abort(403)
        me = Target(kind="user", id=person().name)
        version = request.form.get("version", type=int)
        transfer = body(Transfer, conversation_id=id_, target=me, mode="immediate", expected_version=version)
        return _submit(deps, CommandRequest(transfer, "take", {"kind": "user", "target": me.id}))

    @pages.post("/conversations/<uuid:id_>/recall")
    @gate.open_to("actions")
    def recall(id_: UUID) -> ResponseReturnValue:
        version = request.form.get("version", type=int)
        if undone := request.form.get("command", type=UUID):
            with deps.connection() as conn:
                command = audit.requested_command(conn, str(undone))
            version = command.version if command is not None else version
        what = "put_back" if "put_back" in request.args else "recall"
        return _submit(deps, CommandRequest(body(Recall, conversation_id=id_, expected_version=version), what))

    @pages.post("/mails/<uuid:command_id>/recall")
    @gate.open_to("actions")
    def recall_mail(command_id: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            asked, found = audit.requested_command(conn, str(command_id)), mails.find(conn, mail_id(str(command_id)))
        about = found[0].conversation_id if found else asked.conversation_id if asked else None
        undone = str(command_id)
        return _submit(
            deps, CommandRequest(Recall(mail_command_id=undone), "recall_mail", {"undone": undone}, about=about)
        )

    @pages.post("/conversations/<uuid:id_>/email")
    @gate.open_to("actions")
    def email(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            directory = deps.directory(conn)
            mail = typed_mail(_row(conn, directory, id_).of, directory)
        if (error := mail_error(deps, mail)) is not None:
            return _mail_form(deps, id_, error, 422)
        try:
            ids = submit(deps, request.form.get("form", ""), [mail_request(mail)])
        except PublishFailed:
            return _mail_form(deps, id_, MailError("kafka"), 503)
        return _mail_submitted(deps, ids[0], id_)

    @pages.post("/conversations/<uuid:id_>/email/preview")
    @gate.open_to("actions")
    def preview(id_: UUID) -> ResponseReturnValue:
        return mail_preview_page(deps, id_)

    @pages.get("/commands/<uuid:command_id>")
    @gate.open_to("signed_in")  # everybody is shown the results of their own
    def command(command_id: UUID) -> ResponseReturnValue:
        return notice(deps, str(command_id))

    return pages


def _submit(deps: Dependencies, requested: CommandRequest) -> ResponseReturnValue:
    try:
        ids = submit(deps, request.form.get("form", ""), [requested])
    except PublishFailed:
        return kafka_unavailable()
    return submitted(deps, ids[0])


def _mail_submitted(deps: Dependencies, command_id: str, id_: UUID) -> ResponseReturnValue:
    """An empty mail form with the new mail in the list below it, and the notice."""
    about = submitted(deps, command_id)
    if target() is None:
        return about
    endpoint, query = _list_behind(id_)
    with deps.connection() as conn:
        beside = panel.render(deps, conn, deps.directory(conn), query, endpoint)
    return beside + str(about)


def _list_behind(id_: UUID) -> tuple[str, ListQuery]:
    """The list beside which the conversation is open, with the mail form."""
    behind = urlsplit(back())
    endpoint = "waiting.show" if behind.path == url_for("waiting.show") else "unmanaged.show"
    query = ListQuery.read(MultiDict(parse_qsl(behind.query)))
    return endpoint, replace(query, open=id_, tab="email")


def _transfer_form(
    deps: Dependencies, id_: UUID, kind: Literal["user", "skillset"], error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    with deps.connection() as conn:
        directory = deps.directory(conn)
        row = _row(conn, directory, id_)
        options = recipient_options(deps, conn, directory, kind, [row.of.phone_number_id])
        suggestion = suggested_target(conn, directory, ConversationId(id_)) if kind == "skillset" else None
    if suggestion is not None and all(each.id != suggestion.skillset for each in options):
        suggestion = None
    end = reservation_end(words().now + deps.terms.reservation, row.of.window_ends_at)
    until = end if end > words().now else None
    return dialog(
        "transfer.html",
        status,
        line=row,
        kind=kind,
        options=options,
        until=until,
        error=error,
        form=request.form.get("form") or new_form(),
        version=request.form.get("version") or row.of.version,
        suggestion=suggestion,
        chosen=request.form.get("to") or (suggestion.skillset if suggestion else first_choice(options)),
        mode=request.form.get("mode") or first_mode(options, until, suggestion and suggestion.skillset),
        onward="onward" in request.form if request.form else person().moves_on,
        back=back(),
    )


def _mail_form(deps: Dependencies, id_: UUID, error: MailError, status: int) -> ResponseReturnValue:
    """The mail form with everything that was typed."""
    endpoint, query = _list_behind(id_)
    typed: dict[str, Any] = {name: request.form.get(name, "") for name in ("to", "subject", "body", "notes")}
    with deps.connection() as conn:
        beside = panel.render(
            deps,
            conn,
            deps.directory(conn),
            query,
            endpoint,
            form=request.form.get("form"),
            typed=typed,
            masked="mask" in request.form,
            error=error.reason,
            faulty=error.recipients,
        )
    return (beside if target() else render_template("whole_page.html", content=beside)), status


def _row(conn: Connection[Any], directory: Directory, id_: UUID) -> RowView:
    found = console_list.by_ids(conn, [id_])
    if not found:
        abort(404)
    return row_view(found[id_], directory)
