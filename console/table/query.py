"""What a list page shows, as its address says: everything but the person."""

from dataclasses import dataclass, replace
from typing import Any, Self, cast, get_args
from uuid import UUID

from flask import url_for
from werkzeug.datastructures import MultiDict

from console.request import supervision
from domain.conversations.conversation import OwnerKind
from domain.conversations.reasons import Reason
from domain.routing.supervision import Supervision
from infra.postgres.console.sign_ins import Person
from infra.postgres.lists.console import PageCursor
from infra.postgres.lists.cursor import Cursor, CursorError
from infra.postgres.lists.desk import DeskFilter, DeskState
from infra.postgres.lists.unmanaged import ChosenStatus, ListedStatus, Order, UnmanagedFilter

ROWS = (10, 25, 50, 100)
"""The choices of rows per page (manual fact S6)."""
TABS = ("conversation", "email", "notes", "info")
_LONGEST = 200
_MOST_SKIPPED = 10**9
_ANY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The query of a list's address. `campaign`: only answers to it; `tag`: only those that have it; `q`: the text of
    the search field; `status`, `rows`, `order` None: the person's preference (`seen_by`); `open`: the conversation in
    the panel, at `tab` and at `message`, which is carried into no other address; `skip`: how many rows stood before
    this page when its address was made. Of the waiting list, `state`: which conversations, `to`: those that are queued
    for, offered to or in progress with somebody, `since`: the row that ended the previous page. `within`: what the
    person supervises, which no address can say."""

    status: ChosenStatus | None = None
    reason: Reason | None = None
    number: str | None = None
    campaign: UUID | None = None
    tag: str | None = None
    q: str = ""
    order: Order | None = None
    rows: int | None = None
    after: PageCursor | None = None
    before: PageCursor | None = None
    skip: int = 0
    state: DeskState | None = None
    to: tuple[OwnerKind, str] | None = None
    since: Cursor | None = None
    open: UUID | None = None
    tab: str = "conversation"
    message: UUID | None = None
    within: Supervision | None = None

    @classmethod
    def read(cls, given: "MultiDict[str, str]") -> Self:
        """From an address or a form, for the person of the request. Invalid values are ignored."""
        status, reason, order = given.get("status"), given.get("reason"), given.get("order")
        tab, state = given.get("tab", ""), given.get("state")
        return cls(
            status=cast(ChosenStatus, status) if status in get_args(ChosenStatus) else None,
            reason=Reason(reason) if reason in {each.value for each in Reason} else None,
            number=cleaned(given.get("number")) or None,
            campaign=_uuid(given.get("campaign")),
            tag=cleaned(given.get("tag")).casefold() or None,
            q=cleaned(given.get("q")),
            order=cast(Order, order) if order in get_args(Order) else None,
            rows=chosen_rows(given.get("rows")),
            after=_place(given.get("after")),
            before=_place(given.get("before")),
            skip=_count(given.get("skip")),
            state=cast(DeskState, state) if state in get_args(DeskState) else None,
            to=_owner(given.get("to")),
            since=cursor(given.get("from")),
            open=_uuid(given.get("open")),
            tab=tab if tab in TABS else "conversation",
            message=_uuid(given.get("message")),
            within=supervision(),
        )

    @property
    def filter(self) -> UnmanagedFilter:
        """The filter for the database."""
        words = tuple(self.q.split())
        if self.status == "dismissed":
            return UnmanagedFilter(
                self.status, None, self.number, words, self.order or "newest", None, self.within, self.tag
            )
        status: ListedStatus | None = None if self.status is None or self.status == "all" else self.status
        order = self.order or "urgent"
        return UnmanagedFilter(status, self.reason, self.number, words, order, self.campaign, self.within, self.tag)

    def seen_by(self, person: Person) -> Self:
        """The same list with the person's preferences where its address says nothing."""
        status = self.status or person.list_status
        return replace(self, status=status, rows=self.rows or person.page_rows, order=self.order or person.list_order)

    @property
    def shown(self) -> str:
        """What a page shows by preference or by its address. A form returns it, so that only what the person changed
        in it becomes their preference."""
        return f"{self.rows}.{self.order}.{self.status}"

    @property
    def newest(self) -> UnmanagedFilter:
        """The same conversations, newest first."""
        return replace(self.filter, order="newest")

    @property
    def desk(self) -> DeskState:
        """Which conversations of the waiting list."""
        return self.state or "waiting"

    @property
    def desk_filter(self) -> DeskFilter:
        """The filter of the waiting list for the database."""
        words = tuple(self.q.split())
        return DeskFilter(self.desk, self.number, None, self.to, words, longest_first=True, within=self.within)

    @property
    def narrowed(self) -> bool:
        """Whether the list is filtered or searched. The status is none of the filters: a list always has one."""
        return bool(self.reason or self.number or self.campaign or self.tag or self.to or self.q)

    @property
    def filters(self) -> int:
        """How many filters are set, without the search."""
        return sum(each is not None for each in (self.reason, self.number, self.campaign, self.tag, self.to))

    def args(self, **changes: object) -> dict[str, Any]:
        """Arguments for `url_for`, without defaults. Any change but of the panel leads to the first page."""
        same_page = changes.keys() <= {"open", "tab", "message"}
        place = {} if same_page else {"after": None, "before": None, "skip": 0, "since": None}
        moved = replace(self, **(place | changes))  # type: ignore[arg-type]  # templates pass names of fields
        found = {
            "status": moved.status,
            "reason": moved.reason and moved.reason.value,
            "number": moved.number,
            "campaign": moved.campaign,
            "tag": moved.tag,
            "q": moved.q or None,
            "order": moved.order,
            "rows": moved.rows,
            "after": moved.after and str(moved.after),
            "before": moved.before and str(moved.before),
            "skip": moved.skip or None,
            "state": moved.state,
            "to": moved.to and ":".join(moved.to),
            "from": moved.since and str(moved.since),
            "open": moved.open,
            "tab": moved.tab if moved.open and moved.tab != "conversation" else None,
            "message": changes.get("message"),
        }
        return {name: value for name, value in found.items() if value is not None}

    def opens(self, endpoint: str) -> str:
        """The address that opens a conversation beside this list, without the id at its end."""
        around = self.args(open=_ANY)
        del around["open"]
        return f"{url_for(endpoint, **around)}{'&' if around else '?'}open="


def cleaned(text: str | None) -> str:
    """A text from an address on one line, without what PostgreSQL cannot store, and not too long."""
    return " ".join((text or "").replace("\x00", "").split())[:_LONGEST]


def chosen_rows(text: str | None) -> int | None:
    """The rows of a page that an address asks for; None: it names no choice."""
    return int(text) if text and text in map(str, ROWS) else None


def cursor(text: str | None) -> Cursor | None:
    """The row that a text from an address names; None if it names none."""
    try:
        return Cursor.parse(text) if text else None
    except CursorError:
        return None


def _place(text: str | None) -> PageCursor | None:
    try:
        return PageCursor.parse(text) if text else None
    except CursorError:
        return None


def _owner(text: str | None) -> tuple[OwnerKind, str] | None:
    """Who an address names by kind and id; None: nobody."""
    kind, _, id_ = cleaned(text).partition(":")
    return (cast(OwnerKind, kind), id_) if kind in get_args(OwnerKind) and id_ else None


def _count(text: str | None) -> int:
    return min(int(text), _MOST_SKIPPED) if text and text.isdecimal() and len(text) < 18 else 0


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
