"""Many conversations at once: first how many can and why the others cannot, then one command each, each with its own
result; and all of it taken back as far as it still can be."""

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
from console.pages.conversation import email_typed, kafka_away, mail_preview_page, why_refused
from console.pages.recipients import choices
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

MAX_MANY = 1000
"""Conversations at once."""

BulkAction = Literal["user", "skillset", "email"]
_KINDS = ("user", "skillset", "email")


@dataclass(frozen=True, slots=True)
class BulkSelection:
    """What was chosen. `able`: id and version of those with whom it can be done; `unable`: why not, and how many;
    `cut`: there are more than can be done at once; `unsure`: there may be more than a search by words found."""

    able: Sequence[tuple[UUID, int]]
    unable: Counter[str] = field(default_factory=Counter)
    cut: bool = False
    unsure: bool = False


def bulk_pages(parts: Dependencies) -> Blueprint:
    """`/many`: the preview, the deed, the results, and the way back."""
    pages = Blueprint("many", __name__)

    @pages.post("/many")
    def look() -> ResponseReturnValue:
        kind = _kind()
        with parts.connection() as conn:
            directory = parts.directory(conn)
            choice = _chosen(conn, directory, kind)
        return _form(parts, kind, choice)

    @pages.post("/many/<any(user, skillset, email):kind>")
    def do(kind: BulkAction) -> ResponseReturnValue:
        form = request.form.get("form", "")
        able = _able(request.form.get("able", ""))
        choice = BulkSelection(able)
        batch = str(uuid5(NAMESPACE_OID, form))
        if not able:
            return _form(parts, kind, choice, "nobody_chosen", 422)
        wishes = _mails(able, batch) if kind == "email" else _transfers(able, kind, batch)
        wrong = _wrong(parts, wishes)
        if wrong is not None:
            return _form(parts, kind, choice, wrong, 422)
        try:
            submit(parts, form, wishes, batch)
        except PublishFailed:
            return _form(parts, kind, choice, "kafka", 503)
        return _results(parts, batch) if target() else redirect(url_for("many.results", batch=batch), 303)

    @pages.post("/many/email/preview")
    def preview() -> ResponseReturnValue:
        """The letter about the first of them."""
        able = _able(request.form.get("able", ""))
        if not able:
            abort(404)
        return mail_preview_page(parts, able[0][0])

    @pages.get("/many/<uuid:batch>")
    def results(batch: UUID) -> ResponseReturnValue:
        return _results(parts, str(batch))

    @pages.post("/many/<uuid:batch>/undo")
    def undo(batch: UUID) -> ResponseReturnValue:
        form = request.form.get("form", "")
        with parts.connection() as conn:
            asked = audit.requested_batch(conn, str(batch))
        if not asked or asked[0].name != person().name:
            abort(404)
        wishes = [
            CommandRequest(Recall(mail_command_id=each.command_id), "recall_mail", about=each.conversation_id)
            if undo_of(each) == "mail"
            else CommandRequest(Recall(conversation_id=each.conversation_id, expected_version=each.version), "recall")
            for each in asked
            if _can_be_undone(each)
        ]
        taken_back = str(uuid5(NAMESPACE_OID, form))
        try:
            submit(parts, form, wishes, taken_back)
        except PublishFailed:
            return kafka_away()
        return _results(parts, taken_back) if target() else redirect(url_for("many.results", batch=taken_back), 303)

    return pages


def _can_be_undone(asked: RequestedCommand) -> bool:
    """Also what has no answer yet, if it is a transfer: its recall goes after it on the same partition. That of a mail
    goes another way and could come first."""
    undo = undo_of(asked)
    return undo is not None and (asked.outcome == "applied" or (asked.outcome is None and undo == "conversation"))


def _kind() -> BulkAction:
    kind = request.form.get("do")
    if kind not in _KINDS:
        abort(400)
    return cast(BulkAction, kind)


def _chosen(conn: Connection[Any], directory: Directory, kind: BulkAction) -> BulkSelection:
    """The rows that were ticked, or all that match."""
    cut = unsure = False
    if "all" in request.form:
        found = console_list.page(conn, ListQuery.read(request.form).wanted, MAX_MANY)
        lines = [row_view(row, directory) for row in found.rows]
        cut, unsure = found.after is not None, found.cut
    else:
        ids = request.form.getlist("pick", type=UUID)[:MAX_MANY]
        rows = console_list.by_ids(conn, ids)
        lines = [row_view(rows[id_], directory) for id_ in dict.fromkeys(ids) if id_ in rows]
    able = [each for each in lines if kind == "email" or each.why_not is None]
    unable = Counter(each.why_not for each in lines if each.why_not is not None and kind != "email")
    return BulkSelection([(each.of.id, each.of.version) for each in able], unable, cut, unsure)


def _able(text: str) -> list[tuple[UUID, int]]:
    """As the preview wrote it."""
    found = []
    for part in text.split()[:MAX_MANY]:
        id_, _, version = part.partition(".")
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
    letters = [email_typed(id_, batch) for id_, _ in able]
    return [CommandRequest(each, "email", {"to": list(each.to)}) for each in letters]


def _wrong(parts: Dependencies, wishes: Sequence[CommandRequest]) -> str | None:
    if not wishes:
        return "nobody_chosen"
    first = wishes[0].body
    return why_refused(parts, first) if isinstance(first, Email) else None


def _form(
    parts: Dependencies, kind: BulkAction, choice: BulkSelection, wrong: str | None = None, status: int = 200
) -> ResponseReturnValue:
    with parts.connection() as conn:
        offered = choices(parts, conn, parts.directory(conn), kind) if kind != "email" else []
    return dialog(
        "many.html",
        status,
        kind=kind,
        choice=choice,
        most=MAX_MANY,
        choices=offered,
        until=parts.clock() + parts.terms.reservation,
        wrong=wrong,
        form=request.form.get("form") or new_form(),
        chosen=request.form.get("to") or next((each.id for each in offered if each.available), None),
        mode=request.form.get("mode", "immediate"),
        typed=request.form,
        masked="mask" in request.form if "subject" in request.form else bool(parts.post and parts.post.policy.mask),
        title={
            "user": gettext_noop("Transfer to a user"),
            "skillset": gettext_noop("Transfer to a skillset"),
            "email": gettext_noop("Send via email"),
        }[kind],
    )


def _results(parts: Dependencies, batch: str) -> ResponseReturnValue:
    with parts.connection() as conn:
        asked = audit.requested_batch(conn, batch)
        if not asked or asked[0].name != person().name:
            abort(404)
        directory = parts.directory(conn)
        rows = console_list.by_ids(conn, [each.conversation_id for each in asked if each.conversation_id])
    results = [
        (
            customer_name(rows[each.conversation_id])
            if each.conversation_id in rows
            else translated(gettext_noop("Unknown customer")),
            command_notice(directory, each),
        )
        for each in asked
    ]
    states = Counter(each.state for _, each in results)
    if states["asked"] and request.args.get("asked", type=int) == states["asked"]:
        return "", 204  # still as the dialog says
    # a mail that has no answer yet would be left out, and go
    undoable = any(map(_can_be_undone, asked)) and not any(
        each.outcome is None and not _can_be_undone(each) for each in asked
    )
    return dialog("many_results.html", batch=batch, results=results, states=states, undoable=undoable, form=new_form())
