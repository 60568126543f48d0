"""Lists that are open in browsers: what each showed when its stream began, and what was sent since."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from flask import request, url_for

from console.request import acts, person, words
from console.table.query import ROWS, ListQuery, cursor
from console.table.rows import RowContext
from infra.postgres.lists.cursor import END, Cursor
from infra.postgres.lists.liveliness import Liveliness
from infra.postgres.sending.accounts import SendingTrouble

ConversationKey = str
"""A conversation's id as text, which a dictionary finds many times faster than a UUID; there are five hundred lists."""

_ANY = UUID(int=0)


class ListHeader(NamedTuple):
    """What is shown above a list. `address`: of the list as it is now, `newest_address`: with the newest first;
    `totals`: active, closed and dismissed conversations, None on the waiting list and for a search; `soon`: how
    many run out soon, listed at `soon_address`; `lost`: how many were lost within a day, listed at `lost_address`;
    `new`: how many conversations the list lacks; `moved`: it differs otherwise; `alive`: whether messages arrive;
    `trouble`: what is wrong with sending, shown at the last two addresses."""

    address: str
    newest_address: str
    totals: tuple[int, int, int] | None
    soon: int
    soon_address: str
    lost: int
    lost_address: str
    waiting: int
    waiting_address: str
    new: int
    moved: bool
    is_desk: bool
    alive: Liveliness
    trouble: SendingTrouble
    unknown_address: str
    numbers_address: str


@dataclass(eq=False, slots=True)
class WatchedList:
    """A list that is open in a browser: what it showed when its stream began, and what was sent since.

    `rows`: the mark of each row; `newest`: the first row when the list was read, so that new ones can be announced;
    `total`: how many matched; `size`: rows of a page; `open`: the conversation in the panel; `dialogs`: who had which
    dialog open; `answers`: the numbers of results that were sent (`infra.postgres.console.audit.answer_counts`)."""

    session: bytes
    person: str
    query: ListQuery
    language: str
    zone: ZoneInfo
    context: RowContext
    address: str
    newest_address: str
    soon_address: str
    lost_address: str
    waiting_address: str
    trouble_addresses: tuple[str, str]
    rows: dict[ConversationKey, str]
    newest: Cursor
    total: int | None
    size: int
    is_desk: bool = False
    open: UUID | None = None
    header: ListHeader | None = None
    dialogs: str = ""
    open_mark: str | None = None
    answers: Mapping[str, int] = field(default_factory=dict)
    page: UUID = field(default_factory=uuid4)


def row_context(query: ListQuery, endpoint: str, *, replaces: bool = False) -> RowContext:
    """The context of the rows of a list, for the person of the request."""
    actions = url_for("conversations.take", id_=_ANY).partition(str(_ANY))[0]
    return RowContext(query.opens(endpoint), actions, person().answers, acts(), endpoint == "waiting.show", replaces)


def watched_list(session: bytes) -> WatchedList:
    """The list that a browser shows, as the request for its stream describes it."""
    query, is_desk = ListQuery.read(request.args), request.args.get("list") == "waiting"
    seen = query.seen_by(person())
    endpoint = "waiting.show" if is_desk else "unmanaged.show"
    total = request.args.get("total", "")
    return WatchedList(
        session,
        person().name,
        seen,
        words().language,
        words().zone,
        row_context(query, endpoint, replaces=True),
        url_for(endpoint, **query.args(after=None)),
        url_for(endpoint, **query.args(order="newest")),
        soon_address(query),
        lost_address(query),
        url_for("waiting.show"),
        (url_for("sending.unknown"), url_for("sending.show_numbers")),
        _marks(request.args.get("seen", "")),
        cursor(request.args.get("newest")) or END,
        int(total) if total.isdecimal() and len(total) < 18 else None,
        seen.rows or ROWS[0],
        is_desk,
        query.open,
    )


def soon_address(query: ListQuery) -> str:
    """The address of the conversations that run out first, with the list's number, reason and campaign."""
    return url_for("unmanaged.show", **query.args(status="active", order="urgent", q="", open=None))


def lost_address(query: ListQuery) -> str:
    """The address of the closed conversations, with the list's number, reason and campaign."""
    return url_for("unmanaged.show", **query.args(status="closed", order="newest", q="", open=None))


def _marks(seen: str) -> dict[ConversationKey, str]:
    """The marks of the browser's rows, by conversation."""
    found: dict[ConversationKey, str] = {}
    for mark in seen.split(",")[: max(ROWS)]:
        with suppress(ValueError):
            found[str(UUID(mark.partition(".")[0]))] = mark
    return found
