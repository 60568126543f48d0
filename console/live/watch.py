"""Open lists: what they show, the current state of it, and the events that bring one to the other. `ListWatcher` looks,
`console.live.broadcast` sends."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g, request, url_for
from markupsafe import Markup
from psycopg import Connection

from console.levels import ADMITTED
from console.live.broadcast import event, new_results
from console.request import acts, person, words
from console.table.query import ROWS, ListQuery, cursor
from console.table.rows import RowContext, render_rows, row_mark
from console.words import Words
from domain.directory import Directory
from domain.routing.supervision import Supervision
from infra.postgres import directory
from infra.postgres.connections.clock import database_now
from infra.postgres.console import audit, sign_ins
from infra.postgres.console.sign_ins import SessionTerms
from infra.postgres.kept import viewers
from infra.postgres.kept.tags import with_tags
from infra.postgres.kept.viewers import Viewing
from infra.postgres.lists import conversation_page
from infra.postgres.lists.console import MANY_FOUND, ListTotals, changed_rows, list_totals, page
from infra.postgres.lists.cursor import END, Cursor
from infra.postgres.lists.desk import DeskFilter, desk_page, waiting
from infra.postgres.lists.last_messages import with_last_answers, with_last_messages, with_promises
from infra.postgres.lists.liveliness import Liveliness, liveliness
from infra.postgres.lists.unmanaged import ListedConversation, ListedStatus, UnmanagedFilter, statuses_of
from infra.postgres.sending.accounts import SendingTrouble, sending_trouble

MAX_NEW = 100
"""More new conversations than this are announced as "more than"."""

ConversationKey = str
"""A conversation's id as text, which a dictionary finds many times faster than a UUID; there are five hundred lists."""

_SEARCHES, _SEARCH_SECONDS = 5, 5.0
"""At most this many searches are repeated in one look, and each at most this often."""
_ANY = UUID(int=0)
_VIEWERS_SECONDS = 9.0
"""How often it is said again who looks at which conversation: less often than it is forgotten."""


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
    `total`: how many matched; `size`: rows of a page; `open`: the conversation in the panel; `answers`: the numbers of
    results that were sent (`infra.postgres.console.audit.answer_counts`)."""

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
    open_mark: str | None = None
    answers: Mapping[str, int] = field(default_factory=dict)
    page: UUID = field(default_factory=uuid4)


class ListTop(NamedTuple):
    """The first rows of a list: their places in ascending order, and the place of each conversation."""

    places: Sequence[Cursor]
    of: Mapping[ConversationKey, Cursor]

    @classmethod
    def of_rows(cls, rows: Iterable[ListedConversation]) -> "ListTop":
        """From rows in any order."""
        of = {str(row.id): Cursor(row.last_at, row.id) for row in rows}
        return cls(sorted(of.values()), of)

    def beyond(self, newest: Cursor, shown: Collection[ConversationKey]) -> int:
        """How many rows are newer than this place, without those that are shown."""
        known = sum(place > newest for id_ in shown if (place := self.of.get(id_)) is not None)
        return len(self.places) - bisect_right(self.places, newest) - known


@dataclass(frozen=True, slots=True)
class ListState:
    """The current state of everything that open lists show.

    `gone`: conversations that are no longer unmanaged; `tops`: the newest rows of each list; `desks`: the first page of
    each waiting list; `open`: the marks of open conversations; `living`: the sessions that may still look, and what
    they supervise; `answers`: per person, the number of results of each command or batch; `at`: when, by the database's
    clock."""

    rows: Mapping[ConversationKey, ListedConversation]
    marks: Mapping[ConversationKey, str]
    gone: Set[ConversationKey]
    tops: Mapping[UnmanagedFilter, ListTop]
    desks: Mapping[DeskFilter, ListTop]
    counts: Mapping[UnmanagedFilter, ListTotals]
    waiting: Mapping[Supervision | None, int]
    alive: Liveliness
    trouble: SendingTrouble
    open: Mapping[UUID, str]
    living: Mapping[bytes, Supervision | None]
    answers: Mapping[str, Mapping[str, int]]
    directory: Directory
    at: datetime


@dataclass(slots=True)
class ListWatcher:
    """Reads the state of all open lists at once. Rows that have not changed since the last look are not read again."""

    connection: Callable[[], AbstractContextManager[Connection[Any]]]
    sessions: SessionTerms
    _directories: directory.DirectoryCache = field(default_factory=directory.DirectoryCache)
    _rows: dict[ConversationKey, ListedConversation] = field(default_factory=dict)
    _searched: dict[UnmanagedFilter, tuple[float, ListTop]] = field(default_factory=dict)
    _viewers: tuple[Mapping[UUID, Viewing], float] = field(default_factory=lambda: ({}, 0.0))

    def look(self, shown: Sequence[WatchedList]) -> ListState:
        """Reads the current state. Costs one read of each row that changed, and of each distinct top and count. Raises
        psycopg errors."""
        with self.connection() as conn:
            directory = self._directories.read(conn)
            self._tell_viewers(conn, shown)
            rows = self._changed(conn, {id_ for each in shown for id_ in each.rows})
            lists = [each.query.newest for each in shown if not each.is_desk]
            desks = {each.query.desk_filter for each in shown if each.is_desk}
            return ListState(
                rows=rows,
                marks={id_: row_mark(row) for id_, row in rows.items()},
                gone={id_ for id_, row in rows.items() if row.reason_code is None},
                tops=self._tops(conn, set(lists)),
                desks={which: _desk_top(conn, which) for which in desks},
                counts={each: list_totals(conn, each) for each in set(map(counted, lists))},
                waiting={within: waiting(conn, within) for within in {each.query.within for each in shown}},
                alive=liveliness(conn),
                trouble=sending_trouble(conn),
                open=conversation_page.marks(conn, {each.open for each in shown if each.open}),
                living=self._living(conn, {each.session for each in shown}, directory),
                answers=audit.answer_counts(conn, {each.person for each in shown}),
                directory=directory,
                at=database_now(conn),
            )

    def _tell_viewers(self, conn: Connection[Any], shown: Sequence[WatchedList]) -> None:
        """Says in which conversations the people of these pages look: when that changes, and every
        `_VIEWERS_SECONDS`."""
        pages = {each.page: Viewing(each.open, each.person) for each in shown if each.open is not None}
        known, told_at = self._viewers
        if pages != known or (pages and monotonic() - told_at >= _VIEWERS_SECONDS):
            viewers.tell(conn, pages, known.keys() - pages.keys())
            self._viewers = pages, monotonic()

    def _living(
        self, conn: Connection[Any], sessions: Set[bytes], directory: Directory
    ) -> dict[bytes, Supervision | None]:
        people = sign_ins.live_people(conn, sessions, self.sessions, ADMITTED["lists"])
        return {
            session: Supervision.of(each.skillsets, directory) if each.level == "supervisor" else None
            for session, each in people.items()
        }

    def _changed(
        self, conn: Connection[Any], ids: Collection[ConversationKey]
    ) -> dict[ConversationKey, ListedConversation]:
        rows = {id_: row for id_ in ids if (row := self._rows.get(id_)) is not None}
        known = {row.id: (row.version, row.sequence, row.entries) for row in rows.values()}
        unknown = {UUID(id_): (-1, -1, -1) for id_ in ids if id_ not in rows}
        rows |= {str(row.id): row for row in with_last_messages(conn, changed_rows(conn, known | unknown))}
        rows = {
            str(row.id): row for row in with_tags(conn, with_promises(conn, with_last_answers(conn, [*rows.values()])))
        }
        self._rows = rows
        return rows

    def _tops(self, conn: Connection[Any], lists: Set[UnmanagedFilter]) -> dict[UnmanagedFilter, ListTop]:
        """A search may take a second, so searches are repeated a few at a time, those first that waited longest."""
        self._searched = {which: known for which, known in self._searched.items() if which in lists}
        searches = sorted((each for each in lists if each.words), key=lambda each: self._searched.get(each, _NEVER)[0])
        for which in searches[:_SEARCHES]:
            if monotonic() - self._searched.get(which, _NEVER)[0] >= _SEARCH_SECONDS:
                self._searched[which] = monotonic(), _top(conn, which)
        return {which: self._searched.get(which, _NEVER)[1] if which.words else _top(conn, which) for which in lists}


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


def counted(which: UnmanagedFilter) -> UnmanagedFilter:
    """The conversations that the totals above a list count: those of its number, reason, campaign and tag."""
    return UnmanagedFilter(None, which.reason, which.number, (), "newest", which.campaign, which.within, which.tag)


def matching(which: UnmanagedFilter, found: Mapping[ListedStatus, int]) -> int | None:
    """How many conversations match, taken from the counts; None where they do not tell."""
    shown = [found[status] for status in statuses_of(which.status)]
    return None if which.words and max(shown) > MANY_FOUND else sum(shown)


def changes_for(app: Flask, shown: WatchedList, now: ListState) -> Sequence[bytes] | None:
    """The events that bring a list to the current state; None: its session may no longer look, or supervises something
    else by now: the page opens another stream, if it may."""
    within = shown.query.within
    if now.living.get(shown.session, _NOBODY) != within:
        return None
    events = []
    changed = [id_ for id_, mark in shown.rows.items() if now.marks.get(id_, mark) != mark]
    if within is not None:
        changed = [id_ for id_ in changed if _covers(within, now.rows[id_])]
    header = _header(shown, now)
    if changed or header != shown.header:
        with app.app_context():
            g.words = Words(shown.language, shown.zone, now.at)
            rows = render_rows((now.rows[id_] for id_ in changed), now.directory, shown.context, shown.query.open)
            fragments = [f"<template>{row}</template>" for row in rows]  # a row outside of a table is not valid HTML
            if header != shown.header:
                fragments.append(_rendered_header(header, shown.language))
        shown.rows |= {id_: now.marks[id_] for id_ in changed}
        shown.header = header
        events.append(event("changed", "".join(fragments)))
    mark = now.open.get(shown.open) if shown.open else None
    if mark != shown.open_mark:
        shown.open_mark = mark
        events.append(event("open"))
    events += new_results(shown, now.answers)
    return events


def _trouble(shown: WatchedList, now: ListState) -> SendingTrouble:
    """What is wrong with sending. Supervisors, who cannot open the pages about it, are not told."""
    return now.trouble if shown.query.within is None else SendingTrouble(0, 0)


def _covers(within: Supervision, row: ListedConversation) -> bool:
    owner = row.owner
    kind, id_ = (owner.kind, owner.id) if owner is not None else (None, "")
    return within.covers(kind, id_, row.reason is not None or row.dismissed is not None, row.phone_number_id)


def _header(shown: WatchedList, now: ListState) -> ListHeader:
    if shown.is_desk:
        first = now.desks[shown.query.desk_filter].places[: shown.size] if shown.query.since is None else ()
        new = sum(str(place.id) not in shown.rows for place in first)
        address = shown.address
        waits = now.waiting[shown.query.within], shown.waiting_address
        return ListHeader(
            address,
            address,
            None,
            0,
            "",
            0,
            "",
            *waits,
            new,
            False,
            True,
            now.alive,
            _trouble(shown, now),
            *shown.trouble_addresses,
        )
    which = shown.query.newest
    found, _, soon, lost = now.counts[counted(which)]
    new = min(MAX_NEW + 1, now.tops[which].beyond(shown.newest, shown.rows))
    moved = not new and not which.words and _moved(shown, now, matching(which, found))
    totals = None if which.words else (found["active"], found["closed"], found["dismissed"])
    return ListHeader(
        shown.address,
        shown.newest_address,
        totals,
        soon,
        shown.soon_address,
        lost,
        shown.lost_address,
        now.waiting[shown.query.within],
        shown.waiting_address,
        new,
        moved,
        False,
        now.alive,
        _trouble(shown, now),
        *shown.trouble_addresses,
    )


def _moved(shown: WatchedList, now: ListState, total: int | None) -> bool:
    """Whether other rows than those that the page shows have joined or left the list."""
    if shown.total is None or total is None:
        return False
    status, listed = shown.query.filter.status, {id_: now.rows[id_] for id_ in shown.rows if id_ in now.rows}
    if status == "dismissed":
        left = {id_ for id_, row in listed.items() if row.dismissed_as is None}
    else:
        left = now.gone & shown.rows.keys()
        if status is not None:
            left |= {id_ for id_, row in listed.items() if row.status != status}
    return shown.total - len(left) != total


@lru_cache(4096)
def _rendered_header(header: ListHeader, language: str) -> Markup:
    """`language` must be that of the page (`console.table.snapshot_cache`)."""
    content = current_app.jinja_env.get_template("list_header_update.html").render(**header._asdict(), most=MAX_NEW)
    return Markup(content)  # noqa: S704 - the template escapes


def _desk_top(conn: Connection[Any], which: DeskFilter) -> ListTop:
    """The first page; of a search nothing, because it may take a second."""
    return ListTop.of_rows(() if which.words else desk_page(conn, which, max(ROWS), END).rows)


def _top(conn: Connection[Any], which: UnmanagedFilter) -> ListTop:
    return ListTop.of_rows(page(conn, which, MAX_NEW + max(ROWS) + 1).rows)


_NOBODY = object()
_NEVER = (float("-inf"), ListTop((), {}))
