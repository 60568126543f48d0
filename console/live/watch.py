"""The current state of what open lists show (`console.live.watched_list`), and the events that bring them to it.
`ListWatcher` looks, `console.live.broadcast` sends."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

from flask import Flask, current_app, g
from markupsafe import Markup
from psycopg import Connection

from console.levels import ADMITTED
from console.live.broadcast import event, new_results
from console.live.watched_list import ConversationKey, ListHeader, WatchedList
from console.table.query import ROWS
from console.table.rows import render_rows, row_mark
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
from infra.postgres.lists.unmanaged import (
    FoundMessage,
    ListedConversation,
    ListedStatus,
    UnmanagedFilter,
    statuses_of,
)
from infra.postgres.rules.listing import with_former_rules
from infra.postgres.sending.accounts import SendingTrouble, sending_trouble
from infra.postgres.words.matching import with_found_messages

MAX_NEW = 100
"""More new conversations than this are announced as "more than"."""

SearchWords = tuple[str, ...]

_SEARCHES, _SEARCH_SECONDS = 5, 5.0
"""At most this many searches are repeated in one look, and each at most this often."""
_VIEWERS_SECONDS = 9.0
"""How often it is said again who looks at which conversation: less often than it is forgotten."""


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
    each waiting list; `found`: by the words of a search, the messages that it finds in rows that changed; `open`: the
    marks of open conversations; `dialogs`: a text that changes whenever anybody opens or closes a dialog; `living`: the
    sessions that may still look, and what they supervise; `answers`: per person, the number of results of each command
    or batch; `at`: when, by the database's clock."""

    rows: Mapping[ConversationKey, ListedConversation]
    marks: Mapping[ConversationKey, str]
    gone: Set[ConversationKey]
    tops: Mapping[UnmanagedFilter, ListTop]
    desks: Mapping[DeskFilter, ListTop]
    counts: Mapping[UnmanagedFilter, ListTotals]
    found: Mapping[SearchWords, Mapping[ConversationKey, FoundMessage]]
    waiting: Mapping[Supervision | None, int]
    alive: Liveliness
    trouble: SendingTrouble
    open: Mapping[UUID, str]
    dialogs: str
    living: Mapping[bytes, Supervision | None]
    answers: Mapping[str, Mapping[str, int]]
    directory: Directory
    at: datetime


@dataclass(slots=True)
class ListWatcher:
    """Reads the state of all open lists at once. Rows that have not changed since the last look are not read again."""

    connection: Callable[[], AbstractContextManager[Connection[Any]]]
    sessions: SessionTerms
    _directories: directory.DirectoryCache = field(default_factory=lambda: directory.DirectoryCache(with_former_rules))
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
            marks = {id_: row_mark(row) for id_, row in rows.items()}
            lists = [each.query.newest for each in shown if not each.is_desk]
            desks = {each.query.desk_filter for each in shown if each.is_desk}
            return ListState(
                rows=rows,
                marks=marks,
                gone={id_ for id_, row in rows.items() if row.reason_code is None},
                tops=self._tops(conn, set(lists)),
                desks={which: _desk_top(conn, which) for which in desks},
                counts={each: list_totals(conn, each) for each in set(map(counted, lists))},
                found=_found(conn, shown, rows, marks),
                waiting={within: waiting(conn, within) for within in {each.query.within for each in shown}},
                alive=liveliness(conn),
                trouble=sending_trouble(conn),
                open=conversation_page.marks(conn, {each.open for each in shown if each.open}),
                dialogs=viewers.dialogs_mark(conn),
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
            found = now.found.get(shown.query.filter.words, {})
            listed = (replace(now.rows[id_], found=found.get(id_)) for id_ in changed)
            rows = render_rows(listed, now.directory, shown.context, shown.query.open)
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
    if now.dialogs != shown.dialogs:
        shown.dialogs = now.dialogs
        events.append(event("dialogs"))
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


def _found(
    conn: Connection[Any],
    shown: Sequence[WatchedList],
    rows: Mapping[ConversationKey, ListedConversation],
    marks: Mapping[ConversationKey, str],
) -> dict[SearchWords, dict[ConversationKey, FoundMessage]]:
    """What searches find in the rows that pages are about to be sent."""
    changed: dict[SearchWords, set[ConversationKey]] = {}
    for each in shown:
        if not each.is_desk and (typed := each.query.filter.words):
            differs = {id_ for id_, mark in each.rows.items() if marks.get(id_, mark) != mark}
            changed.setdefault(typed, set()).update(differs)
    return {
        typed: {
            str(row.id): row.found
            for row in with_found_messages(conn, [rows[id_] for id_ in ids], typed)
            if row.found is not None
        }
        for typed, ids in changed.items()
        if ids
    }


def _desk_top(conn: Connection[Any], which: DeskFilter) -> ListTop:
    """The first page; of a search nothing, because it may take a second."""
    return ListTop.of_rows(() if which.words else desk_page(conn, which, max(ROWS), END).rows)


def _top(conn: Connection[Any], which: UnmanagedFilter) -> ListTop:
    return ListTop.of_rows(page(conn, which, MAX_NEW + max(ROWS) + 1).rows)


_NOBODY = object()
_NEVER = (float("-inf"), ListTop((), {}))
