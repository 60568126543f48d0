"""Actions on many conversations: a preview of how many can be processed and why others cannot, one command each with
its own result, and undo."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from uuid import NAMESPACE_OID, UUID, uuid5

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.pages.conversation import kafka_unavailable, mail_error, mail_preview_page, typed_mail
from console.pages.recipients import recipient_options
from console.phrases import command_notice, undo_of
from console.request import dialog, person, target, translated
from console.table.query import ListQuery
from console.table.rows import customer_name, row_view
from domain.commands import Email, Recall, Transfer
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.ports import PublishFailed
from infra.postgres.console import audit
from infra.postgres.console.audit import RequestedCommand
from infra.postgres.lists import console as console_list

MAX_CONVERSATIONS = 1000
"""The most conversations of one bulk action."""

BulkAction = Literal["user", "skillset", "email"]
_KINDS = ("user", "skillset", "email")


@dataclass(frozen=True, slots=True)
class BulkSelection:
    """The selected conversations. `able`: id and version of those that can be processed; `unable`: how many cannot, by
    reason; `cut`: more match than can be processed at once; `unsure`: the search may have missed some."""

    able: Sequence[tuple[UUID, int]]
    unable: Counter[str] = field(default_factory=Counter)
    cut: bool = False
    unsure: bool = False


def bulk_pages(deps: Dependencies) -> Blueprint:
    """`/bulk`: the preview, the commands, their results, and undo."""
    pages = Blueprint("bulk", __name__)

    @pages.post("/bulk")
    def preview_selection() -> ResponseReturnValue:
        kind = _kind()
        with deps.connection() as conn:
            selection = _selected(conn, deps.directory(conn), kind)
        return _form(deps, kind, selection)

    @pages.post("/bulk/<any(user, skillset, email):kind>")
    def submit_all(kind: BulkAction) -> ResponseReturnValue:
        form = request.form.get("form", "")
        able = _able(request.form.get("able", ""))
        selection = BulkSelection(able)
        batch = str(uuid5(NAMESPACE_OID, form))
        if not able:
            return _form(deps, kind, selection, "no_recipient", 422)
        requests = _mails(able, batch) if kind == "email" else _transfers(able, kind, batch)
        if (error := _error(deps, requests)) is not None:
            return _form(deps, kind, selection, error, 422)
        try:
            submit(deps, form, requests, batch)
        except PublishFailed:
            return _form(deps, kind, selection, "kafka", 503)
        return _results(deps, batch) if target() else redirect(url_for("bulk.results", batch=batch), 303)

    @pages.post("/bulk/email/preview")
    def preview() -> ResponseReturnValue:
        """The mail about the first conversation."""
        able = _able(request.form.get("able", ""))
        if not able:
            abort(404)
        return mail_preview_page(deps, able[0][0])

    @pages.get("/bulk/<uuid:batch>")
    def results(batch: UUID) -> ResponseReturnValue:
        return _results(deps, str(batch))

    @pages.post("/bulk/<uuid:batch>/undo")
    def undo(batch: UUID) -> ResponseReturnValue:
        form = request.form.get("form", "")
        with deps.connection() as conn:
            commands = audit.requested_batch(conn, str(batch))
        if not commands or commands[0].name != person().name:
            abort(404)
        requests = [
            CommandRequest(Recall(mail_command_id=each.command_id), "recall_mail", about=each.conversation_id)
            if undo_of(each) == "mail"
            else CommandRequest(Recall(conversation_id=each.conversation_id, expected_version=each.version), "recall")
            for each in commands
            if _can_be_undone(each)
        ]
        undo_batch = str(uuid5(NAMESPACE_OID, form))
        try:
            submit(deps, form, requests, undo_batch)
        except PublishFailed:
            return kafka_unavailable()
        return _results(deps, undo_batch) if target() else redirect(url_for("bulk.results", batch=undo_batch), 303)

    return pages


def _can_be_undone(command: RequestedCommand) -> bool:
    """A transfer can be undone before it has a result: its recall follows it on the same partition. The recall of a
    mail is processed elsewhere and could overtake it."""
    undo = undo_of(command)
    return undo is not None and (command.outcome == "applied" or (command.outcome is None and undo == "conversation"))


def _kind() -> BulkAction:
    kind = request.form.get("do")
    if kind not in _KINDS:
        abort(400)
    return cast(BulkAction, kind)


def _selected(conn: Connection[Any], directory: Directory, kind: BulkAction) -> BulkSelection:
    """The ticked rows, or all that match."""
    cut = unsure = False
    if "all" in request.form:
        found = console_list.page(conn, ListQuery.read(request.form).filter, MAX_CONVERSATIONS)
        lines = [row_view(row, directory) for row in found.rows]
        cut, unsure = found.after is not None, found.cut
    else:
        ids = request.form.getlist("pick", type=UUID)[:MAX_CONVERSATIONS]
        rows = console_list.by_ids(conn, ids)
        lines = [row_view(rows[id_], directory) for id_ in dict.fromkeys(ids) if id_ in rows]
    able = [each for each in lines if kind == "email" or each.why_not is None]
    unable = Counter(each.why_not for each in lines if each.why_not is not None and kind != "email")
    return BulkSelection([(each.of.id, each.of.version) for each in able], unable, cut, unsure)


def _able(text: str) -> list[tuple[UUID, int]]:
    """The conversations of the preview's hidden field."""
    found = []
    for each in text.split()[:MAX_CONVERSATIONS]:
        id_, _, version = each.partition(".")
        try:
            found.append((UUID(id_), int(version)))
        except ValueError:
            abort(400)
    return found


def _transfers(able: Sequence[tuple[UUID, int]], kind: BulkAction, batch: str) -> list[CommandRequest]:
    chosen = request.form.get("to", "")
    mode = "exclusive" if request.form.get("mode") == "exclusive" else "immediate"
    if not chosen:
        return []
    to = {"kind": kind, "id": chosen}
    detail: dict[str, object] = {"kind": kind, "target": chosen}
    return [
        CommandRequest(
            body(Transfer, conversation_id=id_, target=to, mode=mode, expected_version=version, batch_id=batch),
            mode,
            detail,
        )
        for id_, version in able
    ]


def _mails(able: Sequence[tuple[UUID, int]], batch: str) -> list[CommandRequest]:
    mails = [typed_mail(id_, batch) for id_, _ in able]
    return [CommandRequest(each, "email", {"to": list(each.to)}) for each in mails]


def _error(deps: Dependencies, requests: Sequence[CommandRequest]) -> str | None:
    if not requests:
        return "no_recipient"
    first = requests[0].body
    return mail_error(deps, first) if isinstance(first, Email) else None


def _form(
    deps: Dependencies, kind: BulkAction, selection: BulkSelection, error: str | None = None, status: int = 200
) -> ResponseReturnValue:
    with deps.connection() as conn:
        options = recipient_options(deps, conn, deps.directory(conn), kind) if kind != "email" else []
    mask = bool(deps.mailing and deps.mailing.policy.mask)
    return dialog(
        "bulk.html",
        status,
        kind=kind,
        selection=selection,
        most=MAX_CONVERSATIONS,
        options=options,
        until=deps.clock() + deps.terms.reservation,
        error=error,
        form=request.form.get("form") or new_form(),
        chosen=request.form.get("to") or next((each.id for each in options if each.available), None),
        mode=request.form.get("mode", "immediate"),
        typed=request.form,
        masked="mask" in request.form if "subject" in request.form else mask,
        title={
            "user": gettext_noop("Transfer to a user"),
            "skillset": gettext_noop("Transfer to a skillset"),
            "email": gettext_noop("Send via email"),
        }[kind],
    )


def _results(deps: Dependencies, batch: str) -> ResponseReturnValue:
    with deps.connection() as conn:
        commands = audit.requested_batch(conn, batch)
        if not commands or commands[0].name != person().name:
            abort(404)
        directory = deps.directory(conn)
        rows = console_list.by_ids(conn, [each.conversation_id for each in commands if each.conversation_id])
    results = [
        (
            customer_name(rows[each.conversation_id])
            if each.conversation_id in rows
            else translated(gettext_noop("Unknown customer")),
            command_notice(directory, each),
        )
        for each in commands
    ]
    states = Counter(each.state for _, each in results)
    if states["pending"] and request.args.get("pending", type=int) == states["pending"]:
        return "", 204  # the dialog already shows this
    # undo would leave out a mail that has no result yet, and it would be sent
    undoable = any(map(_can_be_undone, commands)) and not any(
        each.outcome is None and not _can_be_undone(each) for each in commands
    )
    return dialog("bulk_results.html", batch=batch, results=results, states=states, undoable=undoable, form=new_form())
