"""`/privacy`: what is known of one person, a copy of it, and its erasure, for administrators. Whom it is about is never
in an address: forms carry it. The erasure is a command."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console.campaigns.workbooks import download_file
from console.commands import CommandRequest, body, new_form, submit
from console.dependencies import Dependencies
from console.notices import kafka_unavailable, submitted
from console.phrases import actor_name
from console.request import translated
from console.words import phone as shown_phone
from domain.command_bodies.customers import EraseCustomer
from domain.contract.texts import gettext_noop
from domain.phone_numbers import read_phone
from domain.ports import PublishFailed
from infra.postgres.connections.clock import database_now
from infra.postgres.conversations.customers import Customers
from infra.postgres.lists.cursor import START, Cursor, CursorError
from infra.postgres.retention.archive import person_archive
from infra.postgres.retention.erasures import Erasure, erasure_page
from infra.postgres.retention.people import counted, customers_of, direct_sends, subject_of

_ROWS = 25
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whom a form names: a phone in digits, or a customer."""

    phone: str | None
    customer: UUID | None

    @property
    def shown(self) -> str:
        return shown_phone(self.phone) if self.phone else str(self.customer)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a person, in the numbers that the page shows."""

    conversations: int
    messages: int
    files: int
    mails: int
    more: int


def privacy_pages(deps: Dependencies) -> Blueprint:
    """`/privacy...`."""
    pages = Blueprint("privacy", __name__, url_prefix="/privacy")

    @pages.get("")
    def show() -> ResponseReturnValue:
        about = request.args.get("conversation", type=UUID)
        if about is not None:
            with deps.connection() as conn:
                asked = _of_id(conn, about)
            if asked is not None:
                return _page(deps, str(asked.customer), asked)
        return _page(deps)

    @pages.post("")
    def find() -> ResponseReturnValue:
        typed = _typed("who")
        asked = _read(deps, typed)
        return _page(deps, typed, asked) if asked is not None else _unreadable(deps, typed)

    @pages.post("/copy")
    def copy() -> ResponseReturnValue:
        typed = _typed("who")
        asked = _read(deps, typed)
        if asked is None:
            return _unreadable(deps, typed)
        return download_file(deps, "personal-data", lambda conn: _archive(deps, conn, asked), "zip", what="person")

    @pages.post("/erase")
    def erase() -> ResponseReturnValue:
        typed = _typed("who")
        asked = _read(deps, typed)
        if asked is None:
            return _unreadable(deps, typed)
        if _read(deps, _typed("again")) != asked:
            return _page(deps, typed, asked, wrong=translated(_NOT_THE_SAME), status=422)
        command = body(EraseCustomer, phone=asked.phone, customer_id=asked.customer)
        try:
            ids = submit(deps, request.form.get("form", ""), [CommandRequest(command, "erase")])
        except PublishFailed:
            return kafka_unavailable()
        return submitted(deps, ids[0])

    return pages


_UNREADABLE = gettext_noop(
    "This is no phone with its country code, like +39 333 1234567, and no id of a customer or conversation."
)
_NOT_THE_SAME = gettext_noop("Nothing was erased: this is not the same as above. Type it again.")
_STATES: Mapping[str, str] = {
    "asked": gettext_noop("waiting"),
    "erased": gettext_noop("erased; the last tables are being looked through"),
    "swept": gettext_noop("erased"),
    "done": gettext_noop("erased"),
}


def _typed(name: str) -> str:
    return request.form.get(name, "").strip()[:_LONGEST]


def _after() -> Cursor:
    try:
        return Cursor.parse(request.args.get("after", ""))
    except CursorError:
        return START


def _unreadable(deps: Dependencies, typed: str) -> ResponseReturnValue:
    return _page(deps, typed, error=translated(_UNREADABLE), status=422)


def _read(deps: Dependencies, typed: str) -> _Asked | None:
    """Whom somebody typed; None: nobody can be meant."""
    try:
        id_ = UUID(typed)
    except ValueError:
        number = read_phone(typed)
        return _Asked(number, None) if number is not None and len(number) in range(7, 16) else None
    with deps.connection() as conn:
        return _of_id(conn, id_)


def _of_id(conn: Connection[Any], id_: UUID) -> _Asked | None:
    """The customer with this id, or of the conversation with this id."""
    found = Customers(conn).of_conversations([id_]).get(id_)
    customer = found[0] if found is not None else id_
    return _Asked(None, customer) if customers_of(conn, None, customer) else None


def _archive(deps: Dependencies, conn: Connection[Any], asked: _Asked) -> Generator[bytes, None, None]:
    customers = customers_of(conn, asked.phone, asked.customer)
    yield from person_archive(conn, customers, asked.phone, deps.files.read if deps.files is not None else None)


def _page(
    deps: Dependencies,
    typed: str = "",
    asked: _Asked | None = None,
    *,
    error: str = "",
    wrong: str = "",
    status: int = 200,
) -> ResponseReturnValue:
    """The page. `asked`: who was found; `error`: what is wrong with what was typed; `wrong`: with the confirmation."""
    with deps.connection() as conn:
        directory = deps.directory(conn)
        known = _known(conn, asked) if asked is not None else None
        page = erasure_page(conn, _ROWS, _after())
    text = render_template(
        "privacy/page.html",
        typed=typed,
        asked=asked,
        known=known,
        error=error,
        wrong=wrong,
        form=new_form(),
        erasures=[(each, _state(each), actor_name(directory, each.asked_by)) for each in page.rows],
        next=page.next,
    )
    return text, status


def _state(erasure: Erasure) -> str:
    return translated(_STATES[erasure.state])


def _known(conn: Connection[Any], asked: _Asked) -> _Known:
    customers = customers_of(conn, asked.phone, asked.customer)
    subject = subject_of(conn, customers, asked.phone, direct_sends(conn, customers, asked.phone))
    rows = counted(conn, subject, database_now(conn), everything=False)
    shown = ("conversations", "entries", "mails")
    conversations, messages, mails = (rows.get(table, 0) for table in shown)
    more = sum(n for table, n in rows.items() if table not in shown)
    return _Known(conversations, messages, len(subject.files), mails, more)
