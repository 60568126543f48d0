"""Actions on many conversations: a preview of how many can be processed and why others cannot, and one command each.
The most urgent come first: if an immediate transfer has fewer free slots than conversations, they get them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, cast
from uuid import NAMESPACE_OID, UUID, uuid5

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.commands import CommandRequest, body, hold_back, new_form, submit
from console.dependencies import Dependencies
from console.kept.dismissals import WHYS, dismissal
from console.pages.bulk_results import results
from console.pages.deferred.on_reply_of_many import MOST, SECOND_LOOK, on_reply_dialog
from console.pages.mail_form import MailError, mail_error, mail_preview_page, mail_request, typed_mail
from console.pages.recipients import first_choice, first_mode, recipient_options
from console.request import dialog, person, target, words
from console.table.query import ListQuery
from console.table.rows import RowView, row_view
from domain.commands import Email, Recall, Rejection, Transfer
from domain.contract.texts import gettext_noop
from domain.conversations.conversation import OwnerKind
from domain.directory import Directory
from domain.ports import PublishFailed
from infra.postgres.console import audit
from infra.postgres.console.audit import RequestedCommand
from infra.postgres.lists import console as console_list
from infra.postgres.lists.unmanaged import ListedConversation

_NO_SLOT = {"user": Rejection.USER_AT_CAPACITY, "skillset": Rejection.NO_AGENT_READY}

BulkAction = Literal["user", "skillset", "email", "dismiss", "recall"]
_Mode = Literal["immediate", "exclusive"]
_RECIPIENTS: Mapping[BulkAction, OwnerKind] = {"user": "user", "skillset": "skillset"}
_KINDS = ("user", "skillset", "email", "dismiss", "recall")


class SeenConversation(NamedTuple):
    """A conversation as the preview showed it."""

    id: UUID
    version: int
    entries: int


@dataclass(frozen=True, slots=True)
class BulkSelection:
    """The selected conversations. `able`: those that can be processed, the most urgent first;
    `unable`: how many cannot, by reason; `cut`: more match than can be processed at once; `unsure`: the search may have
    missed some; `numbers`: that the customers wrote to."""

    able: Sequence[SeenConversation]
    unable: Counter[str] = field(default_factory=Counter)
    numbers: Collection[str] = ()
    cut: bool = False
    unsure: bool = False


def bulk_pages(deps: Dependencies) -> Blueprint:
    """`/bulk`: the preview and the commands."""
    pages = Blueprint("bulk", __name__)

    @pages.post("/bulk")
    @gate.open_to("actions")
    def preview_selection() -> ResponseReturnValue:
        if request.form.get("do") == "on_reply":
            return _on_reply(deps)
        kind = _kind()
        with deps.connection() as conn:
            selection = _selected(conn, deps.directory(conn), kind)
        return _form(deps, kind, selection)

    @pages.post("/bulk/<any(user, skillset, email, dismiss, recall):kind>")
    @gate.open_to("actions")
    def submit_all(kind: BulkAction) -> ResponseReturnValue:
        form = request.form.get("form", "")
        able = _able(deps, request.form.get("able", ""))
        selection = BulkSelection(able)
        batch = str(uuid5(NAMESPACE_OID, form))
        if not able:
            return _form(deps, kind, selection, "no_recipient", 422)
        mode = request.form.get("mode", "immediate")
        at_once: _Mode = "exclusive" if mode == "exclusive" else "immediate"
        reroutes = "reroutes" in request.form and kind in _RECIPIENTS
        recalls = [_recall(each) for each in able] if reroutes else []
        able = [each._replace(version=each.version + 1) for each in able] if reroutes else able
        requests = _requests(deps, able, kind, batch, at_once)
        if (error := _error(deps, requests)) is not None:
            return _form(deps, kind, selection, error.reason, 422, error.recipients)
        if (unconfirmed := _unconfirmed(len(able))) is not None:
            return _form(deps, kind, selection, unconfirmed, 422)
        with deps.connection() as conn:
            before = audit.requested_batch(conn, batch)
        reserves = mode == "split" and kind in _RECIPIENTS
        n = len(requests)
        slots = _sent(before, n, reserves) if before else _slots(deps, requests, 0 if reserves else n)
        now, rest = requests[:slots], requests[slots:]
        if reserves:
            now += _transfers(able[slots:], kind, batch, "exclusive")
        elif rest and not before:
            hold_back(deps, form, rest, batch, _NO_SLOT[kind])
        try:
            if recalls:  # on the partitions of the transfers, and before them
                submit(deps, form, recalls[: len(now)])
            submit(deps, form, now, batch)
        except PublishFailed:
            return _form(deps, kind, selection, "kafka", 503)
        return results(deps, batch) if target() else redirect(url_for("bulk_results.show", batch=batch), 303)

    @pages.post("/bulk/email/preview")
    @gate.open_to("actions")
    def preview() -> ResponseReturnValue:
        """The mail about the first conversation."""
        able = _able(deps, request.form.get("able", ""))
        if not able:
            abort(404)
        return mail_preview_page(deps, able[0].id)

    return pages


def _on_reply(deps: Dependencies) -> ResponseReturnValue:
    """The dialog of transfers on reply, where customers who wrote last come first."""
    with deps.connection() as conn:
        found = _matching(conn)
    rows = sorted(found.rows, key=lambda row: row.last_at, reverse=True)
    return on_reply_dialog(deps, [row.id for row in rows], cut=found.cut)


def _kind() -> BulkAction:
    kind = request.form.get("do")
    if kind not in _KINDS:
        abort(400)
    return cast(BulkAction, kind)


class MatchingRows(NamedTuple):
    """Rows that were selected. `cut` and `unsure`: as of `BulkSelection`."""

    rows: Sequence[ListedConversation]
    cut: bool = False
    unsure: bool = False


def _matching(conn: Connection[Any]) -> MatchingRows:
    """The ticked rows, or all active ones that match; the closed ones only where the list shows nothing else."""
    if "all" in request.form:
        which = ListQuery.read(request.form).seen_by(person()).filter
        active = which if which.status else replace(which, status="active")
        found = console_list.page(conn, active, MOST)
        return MatchingRows(found.rows, found.after is not None, found.cut)
    ids = request.form.getlist("pick", type=UUID)[:MOST]
    rows = console_list.by_ids(conn, gate.within_reach(conn, ids))
    return MatchingRows([rows[id_] for id_ in dict.fromkeys(ids) if id_ in rows])


def _selected(conn: Connection[Any], directory: Directory, kind: BulkAction) -> BulkSelection:
    found = _matching(conn)
    lines = [row_view(row, directory) for row in found.rows]
    lines.sort(key=lambda each: each.of.window_ends_at)
    hindrances = [_hindrance(each, kind) for each in lines]
    able = [each for each, hindrance in zip(lines, hindrances, strict=True) if hindrance is None]
    unable = Counter(hindrance for hindrance in hindrances if hindrance is not None)
    numbers = {each.of.phone_number_id for each in able}
    seen = [SeenConversation(each.of.id, each.of.version, each.of.entries) for each in able]
    return BulkSelection(seen, unable, numbers, found.cut, found.unsure)


def _hindrance(line: RowView, kind: BulkAction) -> str | None:
    """Why a conversation is left out; None: it is not."""
    if kind == "email":
        return None
    if kind == "dismiss":
        return None if line.state in ("active", "closed") else line.why
    if kind == "recall" or (line.recallable and "reroutes" in request.form):
        return None if line.recallable else line.why_not or line.why
    return line.why_not


def _recall(seen: SeenConversation) -> CommandRequest:
    """What brings a conversation that waits back to the list."""
    return CommandRequest(body(Recall, conversation_id=seen.id, expected_version=seen.version), "recall")


def _requests(
    deps: Dependencies, able: Sequence[SeenConversation], kind: BulkAction, batch: str, mode: _Mode
) -> list[CommandRequest]:
    if kind == "email":
        return _mails(deps, able, batch)
    if kind == "dismiss":
        return [dismissal(id_, version, batch, entries) for id_, version, entries in able]
    if kind == "recall":
        return [_recall(each) for each in able]
    return _transfers(able, kind, batch, mode)


def _able(deps: Dependencies, text: str) -> list[SeenConversation]:
    """The conversations of the preview's hidden field. Aborts with 403 if the person may not act on all of them."""
    found = []
    for each in text.split()[:MOST]:
        try:
            id_, version, entries = each.split(".")
            found.append(SeenConversation(UUID(id_), int(version), int(entries)))
        except ValueError:
            abort(400)
    gate.require_reach(deps, [each.id for each in found])
    return found


def _transfers(able: Sequence[SeenConversation], kind: BulkAction, batch: str, mode: _Mode) -> list[CommandRequest]:
    chosen = request.form.get("to", "")
    if not chosen:
        return []
    to = {"kind": kind, "id": chosen}
    detail: dict[str, object] = {"kind": kind, "target": chosen}
    return [
        CommandRequest(
            body(
                Transfer, conversation_id=seen.id, target=to, mode=mode, expected_version=seen.version, batch_id=batch
            ),
            mode,
            detail,
        )
        for seen in able
    ]


def _mails(deps: Dependencies, able: Sequence[SeenConversation], batch: str) -> list[CommandRequest]:
    with deps.connection() as conn:
        directory, rows = deps.directory(conn), console_list.by_ids(conn, [each.id for each in able])
    mails = [typed_mail(rows[each.id], directory, batch) for each in able if each.id in rows]
    return [mail_request(each) for each in mails]


def _sent(before: Sequence[RequestedCommand], n: int, reserves: bool) -> int:
    """How many of a batch's `n` commands were sent as they are, or were to be, when it was requested first. `reserves`:
    the others were reserved; else they were held back, which was noted before any was sent."""
    if reserves:
        return sum(each.detail["what"] != "exclusive" for each in before)
    return n - sum(each.outcome == "held_back" for each in before)


def _slots(deps: Dependencies, requests: Sequence[CommandRequest], without: int) -> int:
    """How many of the commands are sent as they are: one for each free slot of an immediate transfer; `without`: if
    there is no slot at all. Commands are processed in parallel, so the order in which they are sent promises
    nothing."""
    first = requests[0].body
    if not isinstance(first, Transfer) or first.mode != "immediate":
        return len(requests)
    with deps.connection() as conn:
        options = recipient_options(deps, conn, deps.directory(conn), first.target.kind)
    free = next((each.free for each in options if each.id == first.target.id and each.available), 0)
    return min(free, len(requests)) or without


def _unconfirmed(n: int) -> str | None:
    """The error of a large action that was not confirmed by its number; None: it was, or need not be."""
    if n <= SECOND_LOOK or request.form.get("confirmed", "").strip() == str(n):
        return None
    return "unconfirmed"


def _error(deps: Dependencies, requests: Sequence[CommandRequest]) -> MailError | None:
    if not requests:
        return MailError("no_recipient")
    first = requests[0].body
    return mail_error(deps, first) if isinstance(first, Email) else None


def _form(
    deps: Dependencies,
    kind: BulkAction,
    selection: BulkSelection,
    error: str | None = None,
    status: int = 200,
    faulty: Sequence[str] = (),
) -> ResponseReturnValue:
    with deps.connection() as conn:
        directory, to = deps.directory(conn), _RECIPIENTS.get(kind)
        options = recipient_options(deps, conn, directory, to, selection.numbers) if to else []
    until = words().now + deps.terms.reservation
    mask = bool(deps.mailing and deps.mailing.policy.mask)
    return dialog(
        "bulk.html",
        status,
        kind=kind,
        selection=selection,
        most=MOST,
        options=options,
        until=until,
        second_look=SECOND_LOOK,
        error=error,
        faulty=faulty,
        form=request.form.get("form") or new_form(),
        chosen=request.form.get("to") or first_choice(options),
        mode=request.form.get("mode") or first_mode(options, until),
        why=request.form.get("why") or WHYS[0],
        typed=request.form,
        masked="mask" in request.form if "subject" in request.form else mask,
        title={
            "user": gettext_noop("Transfer to a user"),
            "skillset": gettext_noop("Transfer to a skillset"),
            "email": gettext_noop("Send via email"),
            "dismiss": gettext_noop("Dismiss"),
            "recall": gettext_noop("Recall"),
        }[kind],
    )
