"""Lists of the active conversations that are not unmanaged: those that wait in a queue or are reserved, those offered
to an agent or accepted without a word to the customer, and managed ones. Ordered by `last_at`, then id, the latest
first. Raises psycopg errors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, NamedTuple, Self

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed

from domain.conversations.conversation import OwnerKind
from domain.phone_numbers import phone_key
from domain.routing.supervision import Supervision
from domain.search import asked, searched
from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.conversations.columns import OWNER_KIND_CODES
from infra.postgres.lists.cursor import END, START, Cursor
from infra.postgres.lists.supervised import WITHIN, values_within
from infra.postgres.lists.unmanaged import BEYOND, DIRECTION, LISTED, ListedConversation

DeskState = Literal["waiting", "assigned", "managed"]


@dataclass(frozen=True, slots=True)
class DeskFilter:
    """Selects conversations; None selects all. `phone`: the customer's phone, digits only, in any of its national
    variants; `to`: kind and id of who they are queued for, reserved for, offered to or in progress with; `words`: what
    somebody typed into the search (`domain.search`). `longest_first`: the customers who wrote longest ago first, not
    last. `within`: only what a supervisor supervises."""

    state: DeskState
    number: str | None = None
    phone: str | None = None
    to: tuple[OwnerKind, str] | None = None
    words: tuple[str, ...] = ()
    longest_first: bool = False
    within: Supervision | None = None


@dataclass(frozen=True, slots=True)
class DeskPage:
    """Rows, and the cursor of the next page (None: this is the last page). `cut`: a search may have missed some."""

    rows: Sequence[ListedConversation]
    next: Cursor | None
    cut: bool = False


def desk_page(conn: Connection[Any], which: DeskFilter, rows: int, after: Cursor = START) -> DeskPage:
    """Returns one page. Across pages, a conversation that does not change meanwhile appears exactly once."""
    found = _page(conn, which, MOST_SEARCHED if which.words else rows, after)
    if not which.words:
        return found
    matching = _matching(found.rows, which.words)
    following = _after(matching[rows - 1]) if len(matching) > rows else None
    return DeskPage(matching[:rows], following, cut=found.next is not None)


def _page(conn: Connection[Any], which: DeskFilter, rows: int, after: Cursor) -> DeskPage:
    values = {**_values(which), "at": after.at, "id": after.id, "limit": rows + 1}
    cursor = conn.cursor(row_factory=class_row(ListedConversation))
    found = cursor.execute(desk_statement(which), values).fetchall()
    shown = found[:rows]
    return DeskPage(shown, _after(shown[-1]) if len(found) > rows else None)


def _after(row: ListedConversation) -> Cursor:
    return Cursor(row.last_at, row.id)


def _matching(rows: Sequence[ListedConversation], words: Sequence[str]) -> list[ListedConversation]:
    """Those that a search finds. Rows have their words stored only while they are unmanaged or dismissed."""
    wanted = asked(" ".join(words))
    return [row for row in rows if _is_found(row, wanted)]


def _is_found(row: ListedConversation, wanted: Sequence[Sequence[str]]) -> bool:
    ids = [row.user_id, row.group_id, str(row.id)]
    words = searched([row.customer_name, row.last_text], [row.wa_id], ids).split()
    return any(all(any(word.startswith(each) for word in words) for each in alternative) for alternative in wanted)


def every_desk_page(conn: Connection[Any], which: DeskFilter, rows: int) -> Iterator[DeskPage]:
    """Yields all pages, of one snapshot. `conn` is in a transaction until the end."""
    with one_snapshot(conn):
        page = desk_page(conn, which, rows, _first(which))
        yield page
        while page.next is not None:
            page = desk_page(conn, which, rows, page.next)
            yield page


def _first(which: DeskFilter) -> Cursor:
    return END if which.longest_first else START


def _values(which: DeskFilter) -> dict[str, object]:
    return {
        "number": which.number,
        "phone": which.phone and phone_key(which.phone),
        "kind": which.to and OWNER_KIND_CODES[which.to[0]],
        "owner": which.to and which.to[1],
        **values_within(which.within),
    }


MOST_SEARCHED = 1000
"""Conversations of each state that a search looks at, in the order of the list."""

MANY_WAIT: Literal[1000] = 1000
"""The highest count of waiting conversations. Counting more would take longer than reading the list and be of no
use."""

WAITING = {
    is_supervised: SQL(
        "select count(*) from (select 1 from conversations where status = 'a' and owner_state in ('q', 'r') {} "
        "limit {}) as waiting"
    ).format(condition, MANY_WAIT)
    for is_supervised, condition in WITHIN.items()
}
"""Counts the conversations that are queued or reserved, up to `MANY_WAIT`: those of a supervisor, or all."""


def waiting(conn: Connection[Any], within: Supervision | None = None) -> int:
    """Returns the count of `WAITING`."""
    found = conn.execute(WAITING[within is not None], values_within(within)).fetchone()
    assert found is not None
    return int(found[0])


def desk_counts(conn: Connection[Any], which: DeskFilter) -> dict[DeskState, int]:
    """Returns state -> number of conversations that the filter selects, whatever its own state, each up to
    `MANY_WAIT`."""
    if which.words:
        pages = {state: desk_page(conn, replace(which, state=state), MOST_SEARCHED, _first(which)) for state in _STATES}
        return {state: len(page.rows) for state, page in pages.items()}
    counts = [
        SQL("(select count(*) from ({}) as few)").format(
            SQL(" union all ").join(
                SQL("(select 1 from conversations where status = 'a' and {} {} limit {})").format(
                    condition, _conditions(_Shape.of(which)), MANY_WAIT
                )
                for condition in conditions
            )
        )
        for conditions in _STATES.values()
    ]
    found = conn.execute(SQL("select ") + SQL(", ").join(counts), _values(which)).fetchone()
    assert found is not None
    return {state: min(MANY_WAIT, n) for state, n in zip(_STATES, found, strict=True)}


def waiting_for(conn: Connection[Any]) -> dict[str, int]:
    """Returns skillset -> number of conversations that wait for it. Skillsets without any are missing."""
    return dict(
        conn.execute(
            "select owner_id, count(*) from conversations "
            "where status = 'a' and owner_kind = 's' and owner_state in ('q', 'r') group by owner_id"
        ).fetchall()
    )


def desk_statement(which: DeskFilter) -> Composed:
    """Returns the SQL of a page. Its parameters: those of the filter, `at` and `id` (the end of the previous page) and
    `limit`."""
    return _statement(which.state, _Shape.of(which), not which.longest_first)


class _Shape(NamedTuple):
    """What a statement depends on: which conditions a filter has."""

    of_number: bool
    of_phone: bool
    of_owner: bool
    is_supervised: bool

    @classmethod
    def of(cls, which: DeskFilter) -> Self:
        given = (which.number, which.phone, which.to, which.within)
        return cls(*(each is not None for each in given))


@cache
def _statement(state: DeskState, shape: _Shape, down: bool) -> Composed:
    branches = [
        _BRANCH.format(
            columns=LISTED,
            state=condition,
            conditions=_conditions(shape),
            beyond=BEYOND[down],
            direction=DIRECTION[down],
        )
        for condition in _STATES[state]
    ]
    return SQL("select * from ({}) as branches order by last_at {d}, id {d} limit %(limit)s").format(
        SQL(" union all ").join(branches), d=DIRECTION[down]
    )


def _conditions(shape: _Shape) -> Composed:
    """What a filter asks for besides the state."""
    of_number = SQL("and i.phone_number_id = %(number)s" if shape.of_number else "")
    found: list[SQL | Composed] = [WITHIN[shape.is_supervised]]
    found += [SQL("and phone_number_id = %(number)s")] if shape.of_number else []
    found += [_OF_PHONE.format(number=of_number)] if shape.of_phone else []
    found += [SQL("and owner_kind = %(kind)s and owner_id = %(owner)s")] if shape.of_owner else []
    return SQL(" ").join(found)


_STATES: dict[DeskState, list[SQL]] = {
    "waiting": [SQL("owner_state = 'q'"), SQL("owner_state = 'r'")],
    "assigned": [SQL("owner_state = 'a'"), SQL("owner_state = 'x' and owner_until is not null")],
    "managed": [SQL("managed")],
}
"""The conditions of each state. Each condition becomes one branch of a union, so that each branch is read from its
index in the order of the list. Accepted conversations without a word to the customer are the only accepted ones with an
`owner_until`; they are few, and read from the index of that column."""

_BRANCH = SQL(
    """(
    select {columns} from conversations
    where status = 'a' and {state} {conditions} and (last_at, id) {beyond} (%(at)s, %(id)s)
    order by last_at {direction}, id {direction} limit %(limit)s
    )"""
)

_OF_PHONE = SQL(
    """and customer_id in (
      select member.id from (
        select phone_number_id, kind, value, customer_id from identities
        union all select phone_number_id, kind, value, customer_id from identity_periods
      ) i
      join customers c on c.id = i.customer_id
      cross join lateral (
        select coalesce(c.merged_into, c.id) as id
        union all select m.id from customers m where m.merged_into = coalesce(c.merged_into, c.id)
      ) as member
      where i.kind = 'w' and i.value = %(phone)s {number}
    )"""
)
