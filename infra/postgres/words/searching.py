"""The search of one status of the list of unmanaged conversations, for the console.

Words are compared with the words of all messages, which are written behind the fold and include what the row shows; and
with what the row shows now. A search scans the first rows in order, which finds frequent words, then uses the indexes
for rare ones. While the words of messages are complete, that is enough. Else what rows show is searched as well: for
closed conversations there is an index; the active ones, which are few and change with every message, and those that
were dismissed are scanned to their end or to `MAX_SCANNED`. So the time of a search is bounded, and its result says
whether it was cut.
"""

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed, Identifier

from domain.conversations.reasons import Reason
from domain.search import asked
from infra.postgres.lists.cursor import Cursor
from infra.postgres.lists.unmanaged import (
    BEYOND,
    DIRECTION,
    LISTED,
    OF_NUMBER,
    ListedConversation,
    ListedStatus,
    OfNumbers,
    UnmanagedFilter,
    ordered,
)
from infra.postgres.words.progress import freshness

MAX_SCANNED = 20_000
"""Active or dismissed rows that a search scans at most."""
_SCANNED_FIRST = 2_000
"""Rows of the list that a search scans before it uses the indexes."""
_WORDS_SCANNED_FIRST = 20_000
"""The same of closed conversations in the order of their words, which are read in the order of the disk. A word that is
not found often enough in these is in a thousandth of all conversations or fewer, so its hits are soon read."""
_FIRST_HITS = 4
"""So many times as many hits as rows are taken from these: some may have been dismissed."""
_MOST_HITS = 1_000
_MOST_HITS_OF_SOME = 5_000
"""Conversations with the words among those of their messages that are looked at; where some of them may be of another
reason or status."""
_SECONDS = 2.0
"""The time of all statements of a search."""


@dataclass(slots=True)
class FoundRows:
    """Rows in the order of the list. `cut`: there may be more among them."""

    rows: list[ListedConversation] = field(default_factory=list)
    cut: bool = False

    def add(self, more: "FoundRows", down: bool, limit: int) -> None:
        """Adds rows in the same order, of which some may be there already."""
        rows = {row.id: row for row in (*self.rows, *more.rows)}
        self.rows = sorted(rows.values(), key=lambda row: (row.last_at, row.id.int), reverse=down)[:limit]
        self.cut = self.cut or more.cut


def tsquery(words: Sequence[str]) -> str | None:
    """The PostgreSQL query for what somebody typed (`domain.search.asked`); None: there is nothing to search for."""
    alternatives = (" & ".join(f"'{word}':*" for word in each) for each in asked(" ".join(words)))
    return " | ".join(f"({each})" for each in alternatives) or None


@dataclass(slots=True)
class StatusSearch:
    """A search for the first `limit` rows of a status beyond `start`. `query`: of `tsquery`. All its statements
    together may take `_SECONDS`; then the result is what was found until then, and is marked as cut."""

    conn: Connection[Any]
    which: UnmanagedFilter
    status: ListedStatus
    down: bool
    start: Cursor
    limit: int
    query: str
    _until: float = field(default_factory=lambda: monotonic() + _SECONDS)
    _found: FoundRows = field(default_factory=FoundRows)

    def run(self) -> FoundRows:
        """Searches, in a transaction."""
        try:
            with self.conn.transaction():
                self._search()
                self.conn.execute("set local statement_timeout to default")
        except psycopg.errors.QueryCanceled:
            self._found.cut = True
        return self._found

    def _search(self) -> None:
        of_few, is_complete = self.which.is_of_few, freshness(self.conn).is_complete
        if is_complete and self.status == "closed" and self.which.reason is None and not of_few:
            first = _first_words(self.which.of_numbers, self.down)
            self._by_messages(first, _FIRST_HITS * self.limit, is_all=False)
        else:
            scanned = MAX_SCANNED if of_few else _SCANNED_FIRST
            scan = _scan((self.status,), self.which.reason, self.which.of_numbers, self.down, of_few)
            self._add(self._rows(scan, scanned=scanned))
        if self._is_full:
            return
        if of_few:
            self._found.cut = self._count(of_few) > MAX_SCANNED
            return
        some = self.which.reason is not None or self.status == "dismissed"
        for closed in (False, True):
            if is_complete and self.status == ("active" if closed else "closed"):
                continue  # what was read of a conversation has its status
            most = _MOST_HITS_OF_SOME if some or not closed else _MOST_HITS
            self._by_messages(_hits(closed, self.which.of_numbers, self.down), most)
        if is_complete and (self._is_full or self.status != "closed"):
            return
        self._by_row()

    @property
    def _is_full(self) -> bool:
        return len(self._found.rows) >= self.limit

    def _by_row(self) -> None:
        """Adds the first rows that show the words."""
        which = self.which
        if self.status == "closed":
            self._add(self._rows(indexed(which.reason is not None, which.of_numbers, self.down)))
            return
        scan = _scan_rows(self.status, which.reason, which.of_numbers, self.down)
        self._add(self._rows(scan, scanned=MAX_SCANNED), cut=self._count() > MAX_SCANNED)

    def _by_messages(self, statement: Composed, most: int, *, is_all: bool = True) -> None:
        """Adds the first rows of the `most` conversations that a statement finds by the words of their messages.
        `is_all`: it looks at all of them."""
        most = max(self.limit, most)
        hits: Sequence[UUID] = [id_ for (id_,) in self._execute(statement, most=most, scanned=_WORDS_SCANNED_FIRST)]
        if hits:
            rows = self._rows(_of_hits(self.status, self.which.reason, self.which.of_numbers, self.down), hits=hits)
            self._add(rows, cut=is_all and len(hits) == most and len(rows) < self.limit)

    def _count(self, of_few: bool = False) -> int:
        """Counts the rows that may be scanned, up to one more than `MAX_SCANNED`."""
        which = self.which
        statement = ordered((self.status,), which.reason, which.of_numbers, self.down, "scanned", of_few=of_few)
        (counted,) = self._execute(SQL("select count(*) from ({}) as few").format(statement), scanned=MAX_SCANNED + 1)
        return int(counted[0])

    def _add(self, rows: list[ListedConversation], cut: bool = False) -> None:
        self._found.add(FoundRows(rows, cut), self.down, self.limit)

    def _rows(self, statement: Composed, **more: object) -> list[ListedConversation]:
        self._limit_time()
        return read_rows(self.conn, statement, self.which, self.start, self.limit, {"query": self.query, **more})

    def _execute(self, statement: Composed, **more: object) -> Iterable[tuple[Any, ...]]:
        self._limit_time()
        values = {**_values(self.which, self.start, self.limit), "query": self.query, **more}
        return self.conn.execute(statement, values, prepare=True)

    def _limit_time(self) -> None:
        """Gives the next statement the time that those before it have left."""
        left = max(1, int((self._until - monotonic()) * 1000))
        self.conn.execute("select set_config('statement_timeout', %s, true)", [str(left)], prepare=True)


def read_rows(
    conn: Connection[Any],
    statement: Composed | bytes,
    which: UnmanagedFilter,
    start: Cursor,
    limit: int,
    more: dict[str, object] | None = None,
) -> list[ListedConversation]:
    """Reads the rows of a statement that has the filter's parameters, and `more`."""
    values = {**_values(which, start, limit), **(more or {})}
    return conn.cursor(row_factory=class_row(ListedConversation)).execute(statement, values, prepare=True).fetchall()


def _values(which: UnmanagedFilter, start: Cursor, limit: int) -> dict[str, object]:
    return {
        **which.numbers(),
        "reason": which.reason and which.reason.code,
        "campaign": which.campaign,
        "tag": which.tag,
        "at": start.at,
        "id": start.id,
        "limit": limit,
    }


_LISTED_NAMES = SQL(", ").join(Identifier(each.name) for each in fields(ListedConversation) if each.default is MISSING)

_WORDS = SQL("array_to_tsvector(string_to_array(search, ' '))")
"""The expression of the index of words."""


@cache
def _scan(
    statuses: tuple[ListedStatus, ...], reason: Reason | None, of_numbers: OfNumbers, down: bool, of_few: bool
) -> Composed:
    """The first rows in order, then those of them with the words in their messages, or in the row if it changed since
    its messages were read. With `offset` the words of each row are read by their key: else PostgreSQL may read those of
    all conversations."""
    return SQL(
        "with scanned as materialized ({ordered}) select {listed} from scanned left join lateral ("
        "select words, version as v, sequence as s, entries as e from conversation_words "
        "where conversation_id = scanned.id offset 0) as w on true where w.words @@ %(query)s::tsquery "
        "or (version, sequence, entries) is distinct from (w.v, w.s, w.e) and {words} @@ %(query)s::tsquery "
        "order by last_at {d}, id {d} limit %(limit)s"
    ).format(
        ordered=ordered(statuses, reason, of_numbers, down, "scanned", with_words=True, of_few=of_few),
        listed=_LISTED_NAMES,
        words=_WORDS,
        d=DIRECTION[down],
    )


@cache
def _scan_rows(status: ListedStatus, reason: Reason | None, of_numbers: OfNumbers, down: bool) -> Composed:
    """The first rows in order, then those of them that show the words."""
    return SQL(
        "with scanned as materialized ({ordered}) select {listed} from scanned "
        "where {words} @@ %(query)s::tsquery order by last_at {d}, id {d} limit %(limit)s"
    ).format(
        ordered=ordered((status,), reason, of_numbers, down, "scanned", with_words=True),
        listed=_LISTED_NAMES,
        words=_WORDS,
        d=DIRECTION[down],
    )


@cache
def indexed(of_reason: bool, of_numbers: OfNumbers, down: bool) -> Composed:
    """All closed conversations that show the words of `query`, then the first of them."""
    return SQL(
        "with found as materialized ("
        "select {columns} from conversations where unmanaged and status = 'c' and {words} @@ %(query)s::tsquery "
        "{number} {reason} and (last_at, id) {beyond} (%(at)s, %(id)s)) "
        "select * from found order by last_at {direction}, id {direction} limit %(limit)s"
    ).format(
        columns=LISTED,
        words=_WORDS,
        number=OF_NUMBER[of_numbers],
        reason=SQL("and reason = %(reason)s" if of_reason else ""),
        direction=DIRECTION[down],
        beyond=BEYOND[down],
    )


@cache
def _hits(closed: bool, of_numbers: OfNumbers, down: bool) -> Composed:
    """The first `most` conversations with the words of `query` among those of their messages, by what was known of them
    when these were read."""
    return SQL(
        "select conversation_id from conversation_words where {closed} and words @@ %(query)s::tsquery {number} "
        "and (last_at, conversation_id) {beyond} (%(at)s, %(id)s) "
        "order by last_at {direction}, conversation_id {direction} limit %(most)s"
    ).format(
        closed=SQL("closed" if closed else "not closed"),
        number=OF_NUMBER[of_numbers],
        beyond=BEYOND[down],
        direction=DIRECTION[down],
    )


@cache
def _first_words(of_numbers: OfNumbers, down: bool) -> Composed:
    """The same, among the first `scanned` closed conversations."""
    return SQL(
        "select conversation_id from (select * from conversation_words "
        "where closed and (last_at, conversation_id) {beyond} (%(at)s, %(id)s) "
        "order by last_at {direction}, conversation_id {direction} limit %(scanned)s) as scanned "
        "where words @@ %(query)s::tsquery {number} "
        "order by last_at {direction}, conversation_id {direction} limit %(most)s"
    ).format(number=OF_NUMBER[of_numbers], beyond=BEYOND[down], direction=DIRECTION[down])


@cache
def _of_hits(status: ListedStatus, reason: Reason | None, of_numbers: OfNumbers, down: bool) -> Composed:
    """Those of `hits` that are on the list, in order, each read by its key."""
    return SQL(
        "select {columns} from unnest(%(hits)s::uuid[]) as t (hit) cross join lateral ("
        "select * from conversations where id = t.hit offset 0) as c where {state} {number} {reason} "
        "and (last_at, id) {beyond} (%(at)s, %(id)s) order by last_at {direction}, id {direction} limit %(limit)s"
    ).format(
        columns=LISTED,
        state=_STATES[status],
        number=OF_NUMBER[of_numbers],
        reason=SQL("and reason = %(reason)s" if reason is not None and status != "dismissed" else ""),
        beyond=BEYOND[down],
        direction=DIRECTION[down],
    )


_STATES: dict[ListedStatus, SQL] = {
    "active": SQL("unmanaged and status = 'a'"),
    "closed": SQL("unmanaged and status = 'c'"),
    "dismissed": SQL("dismissed_as is not null"),
}
