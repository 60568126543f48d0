"""The list of unmanaged conversations as the console pages through it: newest or most urgent first, forwards and back,
narrowed and searched.

Without words it reads as `infra.postgres.lists.unmanaged` does: one ordered, limited branch per (status, reason).
Of the active ones the window ends a day after the customer's last message, so *most urgent first* is *oldest message
first*, read from the same indexes.

Words have two ways. In the order of the list the first rows are walked and looked at: that finds words that are common.
What is rare has an index among the closed, which are many and written once; the active, which are few and change with
every message, are walked to their end, or to `MAX_WALKED`. So a search costs a bounded time, or says that it was cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, NamedTuple, Self
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed

from domain.conversations.conversation import Status
from domain.conversations.reasons import Reason
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.lists.cursor import START, Cursor, CursorError
from infra.postgres.lists.desk import WAITING
from infra.postgres.lists.unmanaged import (
    BEYOND,
    COUNTS,
    DIRECTION,
    LISTED,
    OF_NUMBER,
    Filter,
    ListedConversation,
    count_of,
    ordered,
    statuses_of,
)

Order = Literal["newest", "urgent"]

MAX_WALKED = 20_000
"""Active rows that are looked at for words."""
_WALKED_FIRST = 2_000
"""Closed rows that are looked at before the index is asked."""
_SEARCH_SECONDS = 2
MAX_WORDS = 8
"""More are not looked for."""

END = Cursor(datetime.min.replace(tzinfo=UTC), UUID(int=0))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which conversations, None or none: all; and in which order. `words`: each begins a word of the name, of the last
    text, or the number, with or without its country's code."""

    status: Status | None = None
    reason: Reason | None = None
    number: str | None = None
    words: tuple[str, ...] = ()
    order: Order = "newest"


class PageCursor(NamedTuple):
    """Where a page ends: in the part of the list with these statuses, at this row."""

    part: int
    cursor: Cursor

    def __str__(self) -> str:
        return f"{self.part}{self.cursor}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises CursorError for anything that `str` did not write."""
        if text[:1] not in ("0", "1"):
            raise CursorError("not a place in the list")
        return cls(int(text[0]), Cursor.parse(text[1:]))


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """Rows in the order of the list; the places to go on from in both directions (None: there is nothing more). `cut`:
    there may be more with these words than were found."""

    rows: Sequence[ListedConversation] = ()
    before: PageCursor | None = None
    after: PageCursor | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """One stretch of the list with one direction."""

    statuses: tuple[Status, ...]
    newest_first: bool


@dataclass(slots=True)
class _Found:
    rows: list[ListedConversation] = field(default_factory=list)
    cut: bool = False


def page(
    conn: Connection[Any],
    wanted: Wanted,
    rows: int,
    *,
    after: PageCursor | None = None,
    before: PageCursor | None = None,
) -> ConsolePage:
    """One page, behind `after` or up to `before`. What stays as it is while one pages is shown once. `conn` is not in
    a transaction, and makes generic plans (`infra.postgres.connections.pool`)."""
    parts = _parts(wanted)
    backwards = before is not None
    place = before or after
    if place is not None and place.part >= len(parts):
        place = None
    found = _Found()
    with _one_moment(conn) if len(parts) > 1 or wanted.words else nullcontext():
        indexes = list(range(len(parts)))
        if backwards:
            indexes.reverse()
        if place is not None:
            indexes = indexes[indexes.index(place.part) :]
        parted: list[tuple[int, ListedConversation]] = []
        for index in indexes:
            part = parts[index]
            down = part.newest_first is not backwards
            start = place.cursor if place is not None and index == place.part else START if down else END
            more = _read(conn, wanted, part.statuses, down, start, rows + 1 - len(parted))
            parted += [(index, row) for row in more.rows]
            found.cut = found.cut or more.cut
            if len(parted) > rows:
                break
    goes_on = len(parted) > rows
    parted = parted[:rows]
    if backwards:
        parted.reverse()
    if not parted:
        return ConsolePage(cut=found.cut)
    ends = [PageCursor(index, Cursor(row.last_at, row.id)) for index, row in (parted[0], parted[-1])]
    return ConsolePage(
        [row for _, row in parted],
        before=ends[0] if (goes_on if backwards else place is not None) else None,
        after=ends[1] if (goes_on or backwards) else None,
        cut=found.cut,
    )


@contextmanager
def _one_moment(conn: Connection[Any]) -> Iterator[None]:
    """Several statements see the same rows."""
    with conn.transaction():
        conn.execute("set transaction isolation level repeatable read, read only")
        yield


class ListTotals(NamedTuple):
    """What is told above the list: how many there are of either status, and how many customers wait."""

    counts: dict[Status, int]
    waiting: int


def list_totals(conn: Connection[Any], which: Filter) -> ListTotals:
    """Of this number and reason; who waits, of all. One question, as each costs a page more than its answer."""
    found = conn.execute(f"select c.*, w.* from ({COUNTS}) as c, ({WAITING}) as w", count_of(which)).fetchone()
    assert found is not None
    return ListTotals({"active": found[0], "closed": found[1]}, found[2])


def by_ids(conn: Connection[Any], ids: Sequence[UUID]) -> dict[UUID, ListedConversation]:
    """These as they are now, on the list or not."""
    cursor = conn.cursor(row_factory=class_row(ListedConversation))
    found = cursor.execute(SQL("select {} from conversations where id = any(%s)").format(LISTED), (list(ids),))
    return {row.id: row for row in found}


def changed_rows(conn: Connection[Any], known: Mapping[UUID, tuple[int, int, int]]) -> list[ListedConversation]:
    """Those that are no longer at this version, sequence and number of entries. O(known), each by its key."""
    cursor = conn.cursor(row_factory=class_row(ListedConversation))
    found = cursor.execute(
        SQL(
            "select {} from unnest(%b::uuid[], %b::integer[], %b::integer[], %b::integer[]) as t (of, v, s, e) "
            "join conversations on id = t.of where (version, sequence, entries) is distinct from (t.v, t.s, t.e)"
        ).format(LISTED),
        column_arrays((id_, *at) for id_, at in known.items()) if known else [[], [], [], []],
        prepare=True,
    )
    return found.fetchall()


def _parts(wanted: Wanted) -> list[_Part]:
    if wanted.order == "newest":
        return [_Part(statuses_of(wanted.status), True)]
    return [_Part((status,), status == "closed") for status in statuses_of(wanted.status)]


def _read(
    conn: Connection[Any], wanted: Wanted, statuses: tuple[Status, ...], down: bool, start: Cursor, limit: int
) -> _Found:
    if not wanted.words:
        statement = _listing(statuses, wanted.reason, wanted.number is not None, down)
        return _Found(_rows(conn, statement, wanted, start, limit))
    query = tsquery(conn, wanted.words)
    if query is None:
        return _Found()
    found = _Found()
    for status in statuses:
        one = _search(conn, wanted, status, down, start, limit, query)
        found.rows += one.rows
        found.cut = found.cut or one.cut
    found.rows.sort(key=lambda row: (row.last_at, row.id.int), reverse=down)
    del found.rows[limit:]
    return found


def tsquery(conn: Connection[Any], words: Sequence[str]) -> str | None:
    """The words as PostgreSQL looks for them, each as the beginning of one; None: there is nothing to look for."""
    row = conn.execute(
        "select string_agg(q::text, ' & ') from ("
        "select to_tsquery('simple', '''' || replace(replace(w, '\\', '\\\\'), '''', '''''') || ''':*') as q "
        "from unnest(%b::text[]) as t (w)) as each where numnode(q) > 0",
        [list(words[:MAX_WORDS])],
    ).fetchone()
    assert row is not None
    found: str | None = row[0]
    return found


def _search(
    conn: Connection[Any], wanted: Wanted, status: Status, down: bool, start: Cursor, limit: int, query: str
) -> _Found:
    """What is found of one status. No statement of it takes longer than `_SEARCH_SECONDS`: what was found until then
    is all, and is said to be cut."""
    found = _Found()
    try:
        with conn.transaction():
            conn.execute(f"set local statement_timeout = {_SEARCH_SECONDS * 1000}")
            _search_into(found, conn, wanted, status, down, start, limit, query)
    except psycopg.errors.QueryCanceled:
        found.cut = True
    return found


def _search_into(
    found: _Found,
    conn: Connection[Any],
    wanted: Wanted,
    status: Status,
    down: bool,
    start: Cursor,
    limit: int,
    query: str,
) -> None:
    walked = MAX_WALKED if status == "active" else _WALKED_FIRST
    statement = _walk((status,), wanted.reason, wanted.number is not None, down)
    more = {"query": query, "walked": walked, "like": [f"%{_like(word)}%" for word in wanted.words[:MAX_WORDS]]}
    found.rows = _rows(conn, statement, wanted, start, limit, more)
    if len(found.rows) >= limit:
        return
    if status == "active":
        statement = ordered((status,), wanted.reason, wanted.number is not None, down, "walked")
        values = {**_values(wanted, start, limit), "walked": MAX_WALKED + 1}
        end = conn.execute(SQL("select count(*) from ({}) as few").format(statement), values).fetchone()
        assert end is not None
        found.cut = end[0] > MAX_WALKED
    else:
        statement = indexed(wanted.reason is not None, wanted.number is not None, down)
        found.rows = _rows(conn, statement, wanted, start, limit, {"query": query})


def _like(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _rows(
    conn: Connection[Any],
    statement: Composed | bytes,
    wanted: Wanted,
    start: Cursor,
    limit: int,
    more: dict[str, object] | None = None,
) -> list[ListedConversation]:
    values = {**_values(wanted, start, limit), **(more or {})}
    return conn.cursor(row_factory=class_row(ListedConversation)).execute(statement, values, prepare=True).fetchall()


def _values(wanted: Wanted, start: Cursor, limit: int) -> dict[str, object]:
    return {
        "number": wanted.number,
        "reason": wanted.reason and wanted.reason.code,
        "at": start.at,
        "id": start.id,
        "limit": limit,
    }


_WORDS = SQL(
    """to_tsvector('simple'::regconfig,
    coalesce(customer_name, '') || ' ' || coalesce(wa_id, '') || ' ' || coalesce(right(wa_id, 10), '') || ' ' ||
    coalesce(right(wa_id, 9), '') || ' ' || coalesce(user_id, '') || ' ' || coalesce(last_text, ''))"""
)
"""As the index of the migration has it."""


@cache
def _listing(statuses: tuple[Status, ...], reason: Reason | None, of_number: bool, down: bool) -> bytes:
    """As it is sent: putting it together takes longer than reading a page."""
    return ordered(statuses, reason, of_number, down).as_bytes()


@cache
def _walk(statuses: tuple[Status, ...], reason: Reason | None, of_number: bool, down: bool) -> Composed:
    """The first rows in order, then those of them that have the words. `like` is the quick look: what begins with a
    word also holds it."""
    return SQL(
        "with walked as materialized ({ordered}) select * from walked "
        "where concat_ws(' ', customer_name, wa_id, user_id, last_text) ilike all(%(like)s) "
        "and {words} @@ %(query)s::tsquery order by last_at {d}, id {d} limit %(limit)s"
    ).format(
        ordered=ordered(statuses, reason, of_number, down, "walked"),
        words=_WORDS,
        d=DIRECTION[down],
    )


@cache
def indexed(of_reason: bool, of_number: bool, down: bool) -> Composed:
    """All closed ones with the words of `query`, then the first of them."""
    return SQL(
        "with found as materialized ("
        "select {columns} from conversations where unmanaged and status = 'c' and {words} @@ %(query)s::tsquery "
        "{number} {reason} and (last_at, id) {beyond} (%(at)s, %(id)s)) "
        "select * from found order by last_at {direction}, id {direction} limit %(limit)s"
    ).format(
        columns=LISTED,
        words=_WORDS,
        number=OF_NUMBER[of_number],
        reason=SQL("and reason = %(reason)s" if of_reason else ""),
        direction=DIRECTION[down],
        beyond=BEYOND[down],
    )
