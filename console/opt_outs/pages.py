"""`/opt-outs`: the customers who want no messages that they did not ask for, the dialog that adds some, ending an
opt-out and undoing that, and the download. Each change submits a command."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.campaigns.workbooks import download_workbook
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.notices import back, kafka_unavailable, submitted
from console.opt_outs.query import OptOutQuery
from console.phrases import actor_name
from console.request import dialog, person, translated, words
from console.table.query import ROWS
from console.words import phone
from domain.command_bodies.campaigns import OptIn, OptOut
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.opt_outs.opt_out import OPT_OUT_SOURCES, read_customer
from domain.ports import PublishFailed
from infra.postgres.console import audit
from infra.postgres.lists.cursor import START
from infra.postgres.opt_outs.listed import ListedOptOut, OptOutFilter, all_opt_outs, find_opt_out, opt_out_page
from infra.sheets.workbook import Cell

MOST = 1000
"""Customers that are added at a time."""
_NAMED = 5
_LONGEST_EVIDENCE = 200
_COLUMNS = (
    (gettext_noop("Customer"), 22),
    (gettext_noop("Number"), 20),
    (gettext_noop("Opted out of"), 24),
    (gettext_noop("How it is known"), 28),
    (gettext_noop("Since"), 20),
    (gettext_noop("By"), 20),
    (gettext_noop("Evidence"), 40),
    (gettext_noop("Ended"), 20),
    (gettext_noop("Ended by"), 20),
)
SOURCES = {
    "meta": gettext_noop("stopped in WhatsApp"),
    "keyword": gettext_noop("wrote a stop word"),
    "admin": gettext_noop("noted by a person"),
    "import": gettext_noop("imported from a file"),
}
SCOPES = {"marketing": gettext_noop("marketing templates"), "all": gettext_noop("all templates")}


def opt_out_pages(deps: Dependencies) -> Blueprint:
    """`/opt-outs...` and `/commands/ID/undo-opt-in`."""
    pages = Blueprint("opt_outs", __name__)

    @pages.get("/opt-outs")
    @gate.open_to("campaigns")
    def show() -> ResponseReturnValue:
        query = OptOutQuery.read(request.args)
        rows = query.rows or person().page_rows
        with deps.connection() as conn:
            directory = deps.directory(conn)
            page = opt_out_page(conn, query.filter, rows, query.after or START)
        return render_template(
            "opt_outs/list.html",
            query=query,
            page=page,
            rows=rows,
            choices=ROWS,
            directory=directory,
            sources=[(each, translated(SOURCES[each])) for each in OPT_OUT_SOURCES],
            how=how_known,
            scope=scope_words,
            called=called,
            actor=actor_name,
            is_root=person().level == "tenant_administrator",
        )

    @pages.get("/opt-outs.xlsx")
    @gate.open_to("campaigns")
    def download() -> ResponseReturnValue:
        query = OptOutQuery.read(request.args)
        with deps.connection() as conn:
            directory = deps.directory(conn)
        return download_workbook(
            deps,
            "opt-outs",
            translated(gettext_noop("Opt-outs")),
            [(translated(name), width) for name, width in _COLUMNS],
            lambda conn: _cells(conn, query.filter, directory),
            what="opt-outs",
            **{name: str(value) for name, value in query.args().items() if name != "q"},
        )

    @pages.get("/opt-outs/new")
    @gate.open_to("campaigns")
    def offer() -> ResponseReturnValue:
        return _dialog(deps)

    @pages.post("/opt-outs/new")
    @gate.open_to("campaigns")
    def add() -> ResponseReturnValue:
        named = list(dict.fromkeys(filter(None, map(str.strip, request.form.get("customers", "").splitlines()))))
        wrong = [each for each in named if read_customer(each) is None]
        if error := _wrong_with(named, wrong):
            return _dialog(deps, error, 422)
        command = body(
            OptOut,
            customers=named,
            phone_number_id=request.form.get("number") or None,
            scope=request.form.get("scope", "all"),
            evidence=request.form.get("evidence", "").strip()[:_LONGEST_EVIDENCE] or None,
        )
        try:
            ids = submit(deps, request.form.get("form", ""), [CommandRequest(command, "opt_out")])
        except PublishFailed:
            text = gettext_noop("Not sent: the message queue (Kafka) is not responding. Try again in a moment.")
            return _dialog(deps, translated(text), 503)
        return submitted(deps, ids[0])

    @pages.post("/opt-outs/<uuid:id_>/end")
    @gate.open_to("campaigns")
    def end(id_: UUID) -> ResponseReturnValue:
        found = _found(deps, id_)
        command = OptIn(customers=(found.address,), phone_number_id=found.number)
        return _submitted(deps, CommandRequest(command, "opt_in", {"opt_out": str(id_)}))

    @pages.post("/commands/<uuid:command_id>/undo-opt-in")
    @gate.open_to("campaigns")
    def undo(command_id: UUID) -> ResponseReturnValue:
        """Notes again what a command ended."""
        with deps.connection() as conn:
            ended = audit.requested_command(conn, str(command_id))
        if ended is None or ended.name != person().name or "opt_out" not in ended.detail:
            abort(404)
        found = _found(deps, UUID(ended.detail["opt_out"]))
        evidence = found.evidence if found.source in ("admin", "import") else None
        command = OptOut(customers=(found.address,), phone_number_id=found.number, scope=found.scope, evidence=evidence)
        return _submitted(deps, CommandRequest(command, "opt_out"))

    return pages


def how_known(row: ListedOptOut) -> str:
    """How an opt-out became known, in words."""
    return translated(SOURCES[row.source])


def scope_words(row: ListedOptOut) -> str:
    """What the customer opted out of, in words."""
    return translated(SCOPES[row.scope])


def called(row: ListedOptOut) -> str:
    """The customer, by phone or user id."""
    if row.is_erased:
        return translated(gettext_noop("Somebody whose data were erased"))
    return phone(row.address) if row.is_phone else row.address


def _found(deps: Dependencies, id_: UUID) -> ListedOptOut:
    with deps.connection() as conn:
        found = find_opt_out(conn, id_)
    if found is None or found.is_erased:
        abort(404)
    return found


def _submitted(deps: Dependencies, requested: CommandRequest) -> ResponseReturnValue:
    try:
        ids = submit(deps, request.form.get("form", ""), [requested])
    except PublishFailed:
        return kafka_unavailable()
    return submitted(deps, ids[0])


def _wrong_with(named: Sequence[str], wrong: Sequence[str]) -> str:
    """What is wrong with the customers that were typed; empty: nothing."""
    if not named:
        return translated(gettext_noop("Write at least one phone with its country code, or a user id."))
    if len(named) > MOST:
        return translated(gettext_noop("At most 1,000 at a time; witiop opt-outs import takes longer lists."))
    if wrong:
        shown = ", ".join(each[:40] for each in wrong[:_NAMED]) + (" …" if len(wrong) > _NAMED else "")
        text = translated(gettext_noop("Neither a phone with its country code nor a user id: {which}"))
        return text.replace("{which}", shown)
    return ""


def _dialog(deps: Dependencies, error: str = "", status: int = 200) -> ResponseReturnValue:
    """The dialog with what was chosen and typed."""
    with deps.connection() as conn:
        directory = deps.directory(conn)
    return dialog(
        "opt_outs/new.html",
        status,
        directory=directory,
        error=error,
        form=request.form.get("form") or new_form(),
        scopes=[(each, translated(SCOPES[each])) for each in ("all", "marketing")],
        typed=request.form,
        back=back(),
    )


def _cells(conn: Connection[object], which: OptOutFilter, directory: Directory) -> Iterator[Sequence[Cell]]:
    every = translated(gettext_noop("All numbers"))
    for row in all_opt_outs(conn, which):
        yield [
            f"+{row.address}" if row.is_phone and not row.is_erased else called(row),
            (directory.number(row.number).name or row.number) if row.number else every,
            scope_words(row),
            how_known(row),
            _local(row.at),
            actor_name(directory, row.actor),
            row.evidence,
            _local(row.ended_at),
            actor_name(directory, row.ended_by) if row.ended_by else None,
        ]


def _local(at: datetime | None) -> datetime | None:
    return words().local(at).replace(tzinfo=None, microsecond=0) if at else None
