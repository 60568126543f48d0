"""The list of unmanaged conversations for the console: newest or most urgent first, paged in both directions, filtered
and searched.

Without a search the SQL is that of `infra.postgres.lists.unmanaged`: one ordered, limited branch per (status, reason).
The window of an active conversation ends a day after the customer's last message, so *most urgent first* is *oldest
message first*, read from the same indexes.

How it is searched: `infra.postgres.words.searching`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Self
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL

from domain.conversations.reasons import Reason
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.lists.cursor import END, START, Cursor, CursorError
from infra.postgres.lists.desk import WAITING
from infra.postgres.lists.running_out import lost_statement, soon_statement
from infra.postgres.lists.supervised import values_within
from infra.postgres.lists.unmanaged import (
    LISTED,
    ListedConversation,
    ListedStatus,
    OfNumbers,
    UnmanagedFilter,
    count_of,
    counts_statement,
    ordered,
    statuses_of,
)
from infra.postgres.words.searching import FoundRows, StatusSearch, read_rows, tsquery

MANY_FOUND = 100
"""The highest count of what a search finds."""


class PageCursor(NamedTuple):
    """The end of a page: the part of the list, by its index, and the row."""

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
    """Rows in the order of the list, and the cursors of the previous and the next page (None: there is none). `cut`:
    the search may have missed some."""

    rows: Sequence[ListedConversation] = ()
    before: PageCursor | None = None
    after: PageCursor | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the list that is read in one direction."""

    statuses: tuple[ListedStatus, ...]
    newest_first: bool


def page(
    conn: Connection[Any],
    which: UnmanagedFilter,
    rows: int,
    *,
    after: PageCursor | None = None,
    before: PageCursor | None = None,
) -> ConsolePage:
    """One page, behind `after` or up to `before`. While paging, a conversation that does not change is shown once.
    `conn` must not be in a transaction, and must use generic plans (`infra.postgres.connections.pool`)."""
    with one_snapshot(conn) if len(_parts(which)) > 1 or which.words else nullcontext():
        return _page(conn, which, rows, after, before)


def pages(conn: Connection[Any], which: UnmanagedFilter, rows: int) -> Iterator[ConsolePage]:
    """All pages of the list, of one snapshot. `conn` as for `page`; it is in a transaction until the end."""
    with one_snapshot(conn):
        found = _page(conn, which, rows, None, None)
        yield found
        while found.after is not None:
            found = _page(conn, which, rows, found.after, None)
            yield found


def _page(
    conn: Connection[Any], which: UnmanagedFilter, rows: int, after: PageCursor | None, before: PageCursor | None
) -> ConsolePage:
    parts = _parts(which)
    backwards = before is not None
    place = before or after
    if place is not None and place.part >= len(parts):
        place = None
    cut = False
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
        more = _read(conn, which, part.statuses, down, start, rows + 1 - len(parted))
        parted += [(index, row) for row in more.rows]
        cut = cut or more.cut
        if len(parted) > rows:
            break
    goes_on = len(parted) > rows
    parted = parted[:rows]
    if backwards:
        parted.reverse()
    if not parted:
        return ConsolePage(cut=cut)
    ends = [PageCursor(index, Cursor(row.last_at, row.id)) for index, row in (parted[0], parted[-1])]
    return ConsolePage(
        [row for _, row in parted],
        before=ends[0] if (goes_on if backwards else place is not None) else None,
        after=ends[1] if (goes_on or backwards) else None,
        cut=cut,
    )


class ListTotals(NamedTuple):
    """The totals above the list: conversations per status, all customers that wait, how many conversations run out
    soon, and how many customers were lost within a day (`infra.postgres.lists.running_out`)."""

    counts: dict[ListedStatus, int]
    waiting: int
    soon: int
    lost: int


def list_totals(conn: Connection[Any], which: UnmanagedFilter) -> ListTotals:
    """The totals of the filter's numbers, reason and campaign. One statement, because a round trip costs a page more
    than the query."""
    is_supervised = which.within is not None
    totals = _totals(which.reason, which.of_numbers, which.is_of_few, is_supervised)
    found = conn.execute(totals, {**count_of(which), **values_within(which.within)}).fetchone()
    assert found is not None
    return ListTotals({"active": found[0], "closed": found[1], "dismissed": found[2]}, *found[3:])


@cache
def _totals(reason: Reason | None, of_numbers: OfNumbers, of_few: bool, is_supervised: bool) -> bytes:
    return (
        SQL("select c.*, w.*, s.*, l.* from ({}) as c, ({}) as w, ({}) as s, ({}) as l")
        .format(
            SQL(counts_statement(of_few)),
            WAITING[is_supervised],
            *(each(reason, of_numbers, of_few) for each in (soon_statement, lost_statement)),
        )
        .as_bytes()
    )


def found_counts(conn: Connection[Any], which: UnmanagedFilter, shown: ConsolePage) -> dict[ListedStatus, int]:
    """How many active and closed conversations a search finds, and of the status that is listed; `MANY_FOUND` + 1: more
    than that. `shown`: a page of the search. A status that it has completely is not searched again. `conn` must not be
    in a transaction."""
    query, listed = tsquery(which.words), statuses_of(which.status)
    is_all = shown.before is None and shown.after is None
    counts: dict[ListedStatus, int] = dict.fromkeys(("active", "closed", *listed), 0)
    for status in counts if query is not None else ():
        if is_all and status in listed:
            counts[status] = sum(status in ("dismissed", row.status) for row in shown.rows)
        else:
            search = StatusSearch(conn, which, status, True, START, MANY_FOUND + 1, query or "")
            counts[status] = len(search.run().rows)
    return counts


def by_ids(conn: Connection[Any], ids: Collection[UUID]) -> dict[UUID, ListedConversation]:
    """These conversations, whether they are on the list or not."""
    cursor = conn.cursor(row_factory=class_row(ListedConversation))
    found = cursor.execute(SQL("select {} from conversations where id = any(%s)").format(LISTED), (list(ids),))
    return {row.id: row for row in found}


def changed_rows(conn: Connection[Any], known: Mapping[UUID, tuple[int, int, int]]) -> list[ListedConversation]:
    """The conversations that are no longer at the known version, sequence and number of entries. O(known), each read
    by its key."""
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


def _parts(which: UnmanagedFilter) -> list[_Part]:
    if which.order == "newest":
        return [_Part(statuses_of(which.status), True)]
    return [_Part((status,), status != "active") for status in statuses_of(which.status)]


def _read(
    conn: Connection[Any],
    which: UnmanagedFilter,
    statuses: tuple[ListedStatus, ...],
    down: bool,
    start: Cursor,
    limit: int,
) -> FoundRows:
    if not which.words:
        statement = _listing(statuses, which.reason, which.of_numbers, down, which.is_of_few)
        return FoundRows(read_rows(conn, statement, which, start, limit))
    query = tsquery(which.words)
    if query is None:
        return FoundRows()
    found = FoundRows()
    for status in statuses:
        found.add(StatusSearch(conn, which, status, down, start, limit, query).run(), down, limit)
    return found


@cache
def _listing(
    statuses: tuple[ListedStatus, ...], reason: Reason | None, of_numbers: OfNumbers, down: bool, of_few: bool
) -> bytes:
    """The statement as bytes: composing it takes longer than reading a page."""
    return ordered(statuses, reason, of_numbers, down, of_few=of_few).as_bytes()
