"""What open lists show, how all of it stands now, and what brings one to the other
(`console.live.broadcast` tells them)."""

import json
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g, request, url_for
from markupsafe import Markup
from psycopg import Connection

from console.live.broadcast import event
from console.request import person, words
from console.table.query import ROWS, ListQuery, cursor
from console.table.rows import RowContext, render_rows, row_mark
from console.words import Words
from domain.conversations.conversation import Status
from domain.directory import Directory
from infra.postgres import directory
from infra.postgres.console import audit, sign_ins
from infra.postgres.console.sign_ins import SessionTerms
from infra.postgres.lists import conversation_page
from infra.postgres.lists.console import END, Wanted, changed_rows, page
from infra.postgres.lists.cursor import Cursor
from infra.postgres.lists.desk import DeskFilter, DeskState, desk_page, waiting
from infra.postgres.lists.unmanaged import Filter, ListedConversation, counts

MAX_NEW = 100
"""More new ones are announced as "more than"."""

Counts = Mapping[Status, int]
ConversationKey = str
"""Of a conversation. Text is found in a table many times faster than a UUID, and there are five hundred lists."""

_SEARCHES, _SEARCH_SECONDS = 5, 5.0
"""So many searches are looked at again in one look, and each no sooner than after so long."""
_ANY = UUID(int=0)


class ListHeader(NamedTuple):
    """What is told above a list. `address` of the list of those who wait; `how_many` active and closed ones, None on
    that list; `new`: that the list does not show."""

    whole: str
    address: str
    how_many: tuple[int, int] | None
    waiting: int
    new: int
    moved: bool
    is_desk: bool


@dataclass(eq=False, slots=True)
class WatchedList:
    """A list that is open in a browser: what it said when it began to listen, and what it was told since.

    `rows`: by conversation the mark of its row; `newest`: where the list began, so that new ones can be told; `total`:
    how many matched; `size`: how many rows a page has. `whole`: the address of the list as it is now, `desk`: of the
    list of those who wait. `open`: the conversation beside it."""

    session: bytes
    person: str
    query: ListQuery
    language: str
    zone: ZoneInfo
    frame: RowContext
    whole: str
    desk: str
    rows: dict[ConversationKey, str]
    newest: Cursor
    total: int | None
    size: int
    is_desk: bool = False
    open: UUID | None = None
    told: ListHeader | None = None
    open_as: str | None = None
    answers: Mapping[str, int] = field(default_factory=dict)


class ListTop(NamedTuple):
    """The first rows of a list: where they stand, the lowest first, and by conversation."""

    places: Sequence[Cursor]
    of: Mapping[ConversationKey, Cursor]

    @classmethod
    def of_rows(cls, rows: Iterable[ListedConversation]) -> "ListTop":
        """Of rows in any order."""
        of = {str(row.id): Cursor(row.last_at, row.id) for row in rows}
        return cls(sorted(of.values()), of)

    def beyond(self, newest: Cursor, shown: Collection[ConversationKey]) -> int:
        """How many stand before this place, besides those that are shown."""
        known = sum(place > newest for id_ in shown if (place := self.of.get(id_)) is not None)
        return len(self.places) - bisect_right(self.places, newest) - known


@dataclass(frozen=True, slots=True)
class ListState:
    """How everything stands that open lists show. `rows` and `marks`: by conversation; `gone`: those of them that are
    not unmanaged any more; `tops`: of the lists, the newest; `desks`: of the lists of those who wait, the first page;
    `open`: the marks of open conversations."""

    rows: Mapping[ConversationKey, ListedConversation]
    marks: Mapping[ConversationKey, str]
    gone: Set[ConversationKey]
    tops: Mapping[Wanted, ListTop]
    desks: Mapping[DeskState, ListTop]
    counts: Mapping[Filter, Counts]
    waiting: int
    open: Mapping[UUID, str]
    living: Set[bytes]
    answers: Mapping[str, Mapping[str, int]]
    directory: Directory


@dataclass(slots=True)
class ListWatcher:
    """Looks for all open lists at once. What did not change since it last looked is not read again."""

    connection: Callable[[], AbstractContextManager[Connection[Any]]]
    sessions: SessionTerms
    _known: directory.DirectoryCache = field(default_factory=directory.DirectoryCache)
    _rows: dict[ConversationKey, ListedConversation] = field(default_factory=dict)
    _searched: dict[Wanted, tuple[float, ListTop]] = field(default_factory=dict)

    def look(self, shown: Sequence[WatchedList]) -> ListState:
        """How everything stands that these show. Costs one read of each row that changed, and of each top and count
        that anybody shows. Raises psycopg errors."""
        with self.connection() as conn:
            rows = self._changed(conn, {id_ for each in shown for id_ in each.rows})
            lists = [each.query.newest for each in shown if not each.is_desk]
            desks = {each.query.desk for each in shown if each.is_desk}
            return ListState(
                rows=rows,
                marks={id_: row_mark(row) for id_, row in rows.items()},
                gone={id_ for id_, row in rows.items() if row.reason_code is None},
                tops=self._tops(conn, set(lists)),
                desks={state: ListTop.of_rows(desk_page(conn, DeskFilter(state), max(ROWS)).rows) for state in desks},
                counts={each: counts(conn, each) for each in set(map(counted, lists))},
                waiting=waiting(conn),
                open=conversation_page.marks(conn, {each.open for each in shown if each.open}),
                living=sign_ins.live_sessions(conn, {each.session for each in shown}, self.sessions),
                answers=audit.answer_counts(conn, {each.person for each in shown}),
                directory=self._known.read(conn),
            )

    def _changed(
        self, conn: Connection[Any], ids: Collection[ConversationKey]
    ) -> dict[ConversationKey, ListedConversation]:
        rows = {id_: row for id_ in ids if (row := self._rows.get(id_)) is not None}
        known = {row.id: (row.version, row.sequence, row.entries) for row in rows.values()}
        unknown = {UUID(id_): (-1, -1, -1) for id_ in ids if id_ not in rows}
        rows |= {str(row.id): row for row in changed_rows(conn, known | unknown)}
        self._rows = rows
        return rows

    def _tops(self, conn: Connection[Any], lists: Set[Wanted]) -> dict[Wanted, ListTop]:
        """What is searched for is looked for again now and then only, a few at a time: a search may take a second."""
        self._searched = {wanted: known for wanted, known in self._searched.items() if wanted in lists}
        searched = sorted((w for w in lists if w.words), key=lambda w: self._searched.get(w, _NEVER)[0])
        for wanted in searched[:_SEARCHES]:
            if monotonic() - self._searched.get(wanted, _NEVER)[0] >= _SEARCH_SECONDS:
                self._searched[wanted] = monotonic(), _top(conn, wanted)
        return {w: self._searched.get(w, _NEVER)[1] if w.words else _top(conn, w) for w in lists}


def frame(query: ListQuery, endpoint: str, *, anew: bool = False) -> RowContext:
    """Of the rows of a list of the person who asks."""
    deeds = url_for("conversations.take", id_=_ANY).partition(str(_ANY))[0]
    return RowContext(query.opens(endpoint), deeds, person().answers, anew)


def watched_list(session: bytes) -> WatchedList:
    """What the browser says that it shows, in the request with which it begins to listen."""
    query, is_desk = ListQuery.read(request.args), request.args.get("list") == "waiting"
    endpoint = "waiting.show" if is_desk else "unmanaged.show"
    how_many = request.args.get("total", "")
    return WatchedList(
        session,
        person().name,
        query,
        words().language,
        words().zone,
        frame(query, endpoint, anew=True),
        url_for(endpoint, **query.args(after=None)),
        url_for("waiting.show"),
        _marks(request.args.get("seen", "")),
        cursor(request.args.get("newest")) or END,
        int(how_many) if how_many.isdecimal() and len(how_many) < 18 else None,
        query.rows or person().page_rows,
        is_desk,
        query.open,
    )


def _marks(seen: str) -> dict[ConversationKey, str]:
    """What the browser has: by conversation the mark of its row."""
    found: dict[ConversationKey, str] = {}
    for mark in seen.split(",")[: max(ROWS)]:
        with suppress(ValueError):
            found[str(UUID(mark.partition(".")[0]))] = mark
    return found


def counted(wanted: Wanted) -> Filter:
    """Of which conversations a list says how many there are: of its number and reason."""
    return Filter(reason=wanted.reason, number=wanted.number)


def total(wanted: Wanted, found: Counts) -> int | None:
    """How many match, where that is known."""
    if wanted.words:
        return None
    return found[wanted.status] if wanted.status else sum(found.values())


def changes_for(
    app: Flask, clock: Callable[[], datetime], shown: WatchedList, now: ListState
) -> Sequence[bytes] | None:
    """The events that bring a list to what is so now; None: whoever looked at it may not any more."""
    if shown.session not in now.living:
        return None
    events = []
    changed = [id_ for id_, mark in shown.rows.items() if now.marks.get(id_, mark) != mark]
    news = _news(shown, now)
    if changed or news != shown.told:
        with app.app_context():
            g.words = Words(shown.language, shown.zone, clock())
            rows = render_rows((now.rows[id_] for id_ in changed), now.directory, shown.frame, shown.query.open)
            parts = [f"<template>{row}</template>" for row in rows]  # a row by itself is no HTML
            if news != shown.told:
                parts.append(_told(news, shown.language))
        shown.rows |= {id_: now.marks[id_] for id_ in changed}
        shown.told = news
        events.append(event("changed", "".join(parts)))
    mark = now.open.get(shown.open) if shown.open else None
    if mark != shown.open_as:
        shown.open_as = mark
        events.append(event("open"))
    answers = now.answers.get(shown.person, {})
    if new := {request: n for request, n in answers.items() if shown.answers.get(request) != n}:
        events.append(event("results", json.dumps(new)))
    shown.answers = answers
    return events


def _news(shown: WatchedList, now: ListState) -> ListHeader:
    """How many there are now, and how many new ones."""
    if shown.is_desk:
        first = now.desks[shown.query.desk].places[-shown.size :] if shown.query.since is None else ()
        new = sum(str(place.id) not in shown.rows for place in first)
        return ListHeader(shown.whole, shown.desk, None, now.waiting, new, moved=False, is_desk=True)
    wanted = shown.query.newest
    found = now.counts[counted(wanted)]
    new = min(MAX_NEW + 1, now.tops[wanted].beyond(shown.newest, shown.rows))
    moved = not new and _moved(shown, now, total(wanted, found))
    return ListHeader(
        shown.whole, shown.desk, (found["active"], found["closed"]), now.waiting, new, moved, is_desk=False
    )


def _moved(shown: WatchedList, now: ListState, matching: int | None) -> bool:
    """Whether the list has changed otherwise than by the rows that the page shows to have left it."""
    if shown.total is None or matching is None:
        return False
    left = now.gone & shown.rows.keys()
    if (status := shown.query.status) is not None:
        left |= {id_ for id_ in shown.rows if id_ in now.rows and now.rows[id_].status != status}
    return shown.total - len(left) != matching


@lru_cache(4096)
def _told(news: ListHeader, language: str) -> Markup:
    """In the language that is spoken; many are told the same."""
    content = current_app.jinja_env.get_template("news.html").render(**news._asdict(), most=MAX_NEW)
    return Markup(content)  # noqa: S704 - a template escapes


def _top(conn: Connection[Any], wanted: Wanted) -> ListTop:
    return ListTop.of_rows(page(conn, wanted, MAX_NEW + max(ROWS) + 1).rows)


_NEVER = (float("-inf"), ListTop((), {}))
