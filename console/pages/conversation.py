"""What can be done with one conversation: transfer it to a user or a skillset (S8, S9, S10), take it, take it back,
forward it by mail (S12). Every deed is a command; none changes a conversation here."""

import re
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection
from werkzeug.datastructures import MultiDict

from console.commands import HOLD_SECONDS, CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.pages import mail_preview, panel
from console.pages.recipients import choices
from console.phrases import command_notice, owner_name
from console.request import address, dialog, over_the_page, person, safe_redirect_target, target, words
from console.table.query import ListQuery
from console.table.rows import RowView, row_view
from domain.commands import Email, Recall, Target, Transfer
from domain.conversations.window import reservation_end
from domain.directory import Directory
from domain.mail import accept_email
from domain.ports import PublishFailed
from infra.postgres import mails
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry
from infra.postgres.lists import console as console_list

MAX_BODY = 20_000
"""Characters of what stands before the conversation in a mail."""


def conversation_pages(parts: Dependencies) -> Blueprint:
    """`/conversations/ID/...`, `/mails/...`, `/actions/ID`."""
    pages = Blueprint("conversations", __name__, url_prefix="")

    @pages.get("/conversations/<uuid:id_>/transfer/<any(user, skillset):kind>")
    def offer(id_: UUID, kind: Literal["user", "skillset"]) -> ResponseReturnValue:
        return _transfer_form(parts, id_, kind)

    @pages.post("/conversations/<uuid:id_>/transfer/<any(user, skillset):kind>")
    def transfer(id_: UUID, kind: Literal["user", "skillset"]) -> ResponseReturnValue:
        chosen, mode = request.form.get("to", ""), request.form.get("mode", "immediate")
        if not chosen or mode not in ("immediate", "exclusive"):
            return _transfer_form(parts, id_, kind, wrong="nobody_chosen", status=422)
        asked = body(
            Transfer,
            conversation_id=id_,
            target={"kind": kind, "id": chosen},
            mode=mode,
            expected_version=request.form.get("version", type=int),
        )
        wish = CommandRequest(asked, asked.mode, {"kind": kind, "target": chosen})
        try:
            ids = submit(parts, request.form.get("form", ""), [wish])
        except PublishFailed:
            return _transfer_form(parts, id_, kind, wrong="kafka", status=503)
        return _asked(parts, ids[0])

    @pages.post("/conversations/<uuid:id_>/take")
    def take(id_: UUID) -> ResponseReturnValue:
        if not person().answers:
            with parts.connection() as conn:
                deed = AuditEntry("forbidden", person().name, address(), id_, detail={"path": request.path})
                audit.write(conn, [deed])
            abort(403)
        me = Target(kind="user", id=person().name)
        version = request.form.get("version", type=int)
        asked = body(Transfer, conversation_id=id_, target=me, mode="immediate", expected_version=version)
        return _do(parts, CommandRequest(asked, "take", {"kind": "user", "target": me.id}))

    @pages.post("/conversations/<uuid:id_>/recall")
    def recall(id_: UUID) -> ResponseReturnValue:
        version = request.form.get("version", type=int)
        if undone := request.form.get("command", type=UUID):
            with parts.connection() as conn:
                asked = audit.requested_command(conn, str(undone))
            version = asked.version if asked is not None else version
        return _do(parts, CommandRequest(body(Recall, conversation_id=id_, expected_version=version), "recall"))

    @pages.post("/mails/<uuid:command_id>/recall")
    def recall_mail(command_id: UUID) -> ResponseReturnValue:
        about = request.form.get("about", type=UUID)
        return _do(parts, CommandRequest(Recall(mail_command_id=str(command_id)), "recall_mail", about=about))

    @pages.post("/conversations/<uuid:id_>/email")
    def email(id_: UUID) -> ResponseReturnValue:
        typed = email_typed(id_)
        wrong = _wrong(parts, typed)
        if wrong is None:
            try:
                ids = submit(
                    parts, request.form.get("form", ""), [CommandRequest(typed, "email", {"to": list(typed.to)})]
                )
            except PublishFailed:
                return _email_form(parts, id_, "kafka", 503)
            return _email_asked(parts, ids[0], id_)
        return _email_form(parts, id_, wrong, 422)

    @pages.post("/conversations/<uuid:id_>/email/preview")
    def preview(id_: UUID) -> ResponseReturnValue:
        return mail_preview_page(parts, id_)

    @pages.get("/actions/<uuid:command_id>")
    def action(command_id: UUID) -> ResponseReturnValue:
        return _action(parts, str(command_id))

    @pages.get("/conversations/<uuid:id_>/changes")
    def changes(id_: UUID) -> ResponseReturnValue:
        """The panel's parts that are no longer as the page shows them."""
        query = ListQuery(open=id_)
        with parts.connection() as conn:
            directory = parts.directory(conn)
            found = panel.look(conn, directory, query)
        if found is None or found.seen == request.args.get("seen"):
            return "", 204
        return render_template("panel_changes.html", panel=found, directory=directory, query=query)

    return pages


def _do(parts: Dependencies, wish: CommandRequest) -> ResponseReturnValue:
    try:
        ids = submit(parts, request.form.get("form", ""), [wish])
    except PublishFailed:
        return kafka_away()
    return _asked(parts, ids[0])


def kafka_away() -> ResponseReturnValue:
    """Nothing was taken: what was asked for can be asked again, and is the same command."""
    page = render_template("refused.html", why="kafka", alone=target() is None, form=request.form)
    return over_the_page(Response(page, 503))


def _email_asked(parts: Dependencies, command_id: str, id_: UUID) -> ResponseReturnValue:
    """An empty form again, with the mail among those whose fate is shown, and the notice."""
    notice = _asked(parts, command_id)
    if target() is None:
        return notice
    endpoint, query = _list_behind(id_)
    with parts.connection() as conn:
        beside = panel.render(parts, conn, parts.directory(conn), query, endpoint)
    return beside + str(notice)


def _list_behind(id_: UUID) -> tuple[str, ListQuery]:
    """The list beside which the conversation is open, with its mail form."""
    back = urlsplit(_back())
    endpoint = "waiting.show" if back.path == url_for("waiting.show") else "unmanaged.show"
    query = ListQuery.read(MultiDict(parse_qsl(back.query)))
    return endpoint, replace(query, open=id_, tab="email")


def _asked(parts: Dependencies, id_: str, back: str | None = None) -> ResponseReturnValue:
    """What was asked for goes its way: told over the page that is open, or on a page of its own."""
    if target() is None:
        return redirect(url_for("conversations.action", command_id=id_, back=back or _back()), 303)
    return _action(parts, id_, fresh=True)


def _action(parts: Dependencies, id_: str, *, fresh: bool = False) -> ResponseReturnValue:
    with parts.connection() as conn:
        asked = audit.requested_command(conn, id_)
        if asked is None or asked.name != person().name:
            abort(404)
        directory = parts.directory(conn)
        about = console_list.by_ids(conn, [asked.conversation_id]) if asked.conversation_id else {}
    row = next(iter(about.values()), None)
    late = asked.outcome is None and (words().now - asked.at).total_seconds() > 15
    if not fresh and target() and asked.outcome is None and late == ("late" in request.args):
        return "", 204  # still as the notice says
    return render_template(
        "action.html",
        asked=asked,
        told=command_notice(directory, asked),
        line=row_view(row, directory) if row else None,
        late=late,
        fresh=fresh,
        form=new_form(),
        alone=target() is None,
        back=safe_redirect_target(request.args.get("back"), url_for("unmanaged.show")),
        owner=row and row.owner and owner_name(directory, row.owner.kind, row.owner.id),
    )


def _transfer_form(
    parts: Dependencies, id_: UUID, kind: Literal["user", "skillset"], wrong: str | None = None, status: int = 200
) -> ResponseReturnValue:
    with parts.connection() as conn:
        directory = parts.directory(conn)
        row = _row(conn, directory, id_)
        offered = choices(parts, conn, directory, kind)
    until = reservation_end(parts.clock() + parts.terms.reservation, row.of.window_ends_at)
    return dialog(
        "transfer.html",
        status,
        line=row,
        kind=kind,
        choices=offered,
        until=until if until > parts.clock() else None,
        wrong=wrong,
        form=request.form.get("form") or new_form(),
        version=request.form.get("version") or row.of.version,
        chosen=request.form.get("to") or next((each.id for each in offered if each.available), None),
        mode=request.form.get("mode", "immediate"),
        back=_back(),
    )


def _recipients(typed: str) -> tuple[str, ...]:
    """Addresses with commas, semicolons or line ends between them."""
    return tuple(found for each in re.split(r"[,;\n]", typed) if (found := each.strip()))


def email_typed(id_: UUID, batch_id: str | None = None) -> Email:
    """The mail about this conversation that a form asks for."""
    form = request.form
    return Email(
        conversation_id=id_,
        to=_recipients(form.get("to", "")) or ("",),
        subject=form.get("subject", "").strip(),
        body=form.get("body", "").replace("\r\n", "\n")[:MAX_BODY],
        mask="mask" in form,
        hold_seconds=HOLD_SECONDS,
        batch_id=batch_id,
    )


def mail_preview_page(parts: Dependencies, id_: UUID) -> Response:
    """The mail that a form asks for, as it would be sent. Aborts with 404 without mail and without the conversation."""
    if parts.post is None:
        abort(404)
    typed = email_typed(id_)
    with parts.connection() as conn:
        page = mail_preview.page(conn, parts.post, parts.directory(conn), typed, person(), parts.clock())
    if page is None:
        abort(404)
    return Response(page, headers=mail_preview.HEADERS, content_type="text/html; charset=utf-8")


def _wrong(parts: Dependencies, typed: Email) -> str | None:
    with parts.connection() as conn:
        return why_refused(parts, typed, mails.transcript_bytes(conn, typed.conversation_id))


def why_refused(parts: Dependencies, typed: Email, transcript_bytes: int = 0) -> str | None:
    """Why the mail would be refused, as the command itself would say; None: it would not."""
    if parts.post is None:
        abort(404)
    accepted = accept_email(typed, parts.post.policy, transcript_bytes)
    return accepted.value if isinstance(accepted, str) else None


def _email_form(parts: Dependencies, id_: UUID, wrong: str, status: int) -> ResponseReturnValue:
    """The form with all that was typed."""
    endpoint, query = _list_behind(id_)
    typed: dict[str, Any] = {name: request.form.get(name, "") for name in ("to", "subject", "body")}
    with parts.connection() as conn:
        directory = parts.directory(conn)
        beside = panel.render(
            parts,
            conn,
            directory,
            query,
            endpoint,
            form=request.form.get("form"),
            typed=typed,
            masked="mask" in request.form,
            wrong=wrong,
        )
    return (beside if target() else render_template("alone.html", content=beside)), status


def _row(conn: Connection[Any], directory: Directory, id_: UUID) -> RowView:
    found = console_list.by_ids(conn, [id_])
    if not found:
        abort(404)
    return row_view(found[id_], directory)


def _back() -> str:
    return safe_redirect_target(request.values.get("back"), url_for("unmanaged.show"))
