"""Lists of the active conversations that are not unmanaged: those that wait in a queue or are reserved, those offered
to an agent or accepted without a word to the customer, and managed ones. Ordered by `last_at`, then id, the latest
first. Raises psycopg errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed

from domain.phone_numbers import phone_key
from domain.routing.supervision import Supervision
from infra.postgres.lists.cursor import START, Cursor
from infra.postgres.lists.supervised import WITHIN, values_within
from infra.postgres.lists.unmanaged import BEYOND, DIRECTION, LISTED, ListedConversation

DeskState = Literal["waiting", "assigned", "managed"]


@dataclass(frozen=True, slots=True)
class DeskFilter:
    """Selects conversations; None selects all. `phone`: the customer's phone, digits only, in any of its national
    variants. `longest_first`: the customers who wrote longest ago first, not last. `within`: only what a supervisor
    supervises."""

    state: DeskState
    number: str | None = None
    phone: str | None = None
    longest_first: bool = False
    within: Supervision | None = None


@dataclass(frozen=True, slots=True)
class DeskPage:
    """Rows, and the cursor of the next page (None: this is the last page)."""

    rows: Sequence[ListedConversation]
    next: Cursor | None


def desk_page(conn: Connection[Any], which: DeskFilter, rows: int, after: Cursor = START) -> DeskPage:
    """Returns one page. Across pages, a conversation that does not change meanwhile appears exactly once."""
    values = {
        "number": which.number,
        "phone": which.phone and phone_key(which.phone),
        "at": after.at,
        "id": after.id,
        "limit": rows + 1,
        **values_within(which.within),
    }
    cursor = conn.cursor(row_factory=class_row(ListedConversation))
    found = cursor.execute(desk_statement(which), values).fetchall()
    more = len(found) > rows
    shown = found[:rows]
    return DeskPage(shown, Cursor(shown[-1].last_at, shown[-1].id) if more else None)


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


def desk_counts(
    conn: Connection[Any], number: str | None = None, within: Supervision | None = None
) -> dict[DeskState, int]:
    """Returns state -> number of conversations of this number (None: of all), each up to `MANY_WAIT`."""
    of_number = SQL("" if number is None else "and phone_number_id = %(number)s")
    counts = [
        SQL("(select count(*) from ({}) as few)").format(
            SQL(" union all ").join(
                SQL("(select 1 from conversations where status = 'a' and {} {} {} limit {})").format(
                    condition, of_number, WITHIN[within is not None], MANY_WAIT
                )
                for condition in conditions
            )
        )
        for conditions in _STATES.values()
    ]
    values = {"number": number, **values_within(within)}
    found = conn.execute(SQL("select ") + SQL(", ").join(counts), values).fetchone()
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
    """Returns the SQL of a page. Its parameters: `number`, `phone`, `at` and `id` (the end of the previous page) and
    `limit`."""
    return _statement(
        which.state,
        which.number is not None,
        which.phone is not None,
        not which.longest_first,
        which.within is not None,
    )


@cache
def _statement(state: DeskState, of_number: bool, of_phone: bool, down: bool, is_supervised: bool) -> Composed:
    customer = _OF_PHONE.format(number=SQL("and i.phone_number_id = %(number)s" if of_number else ""))
    branches = [
        _BRANCH.format(
            columns=LISTED,
            state=condition,
            number=SQL("and phone_number_id = %(number)s" if of_number else ""),
            customer=customer if of_phone else SQL(""),
            within=WITHIN[is_supervised],
            beyond=BEYOND[down],
            direction=DIRECTION[down],
        )
        for condition in _STATES[state]
    ]
    return SQL("select * from ({}) as branches order by last_at {d}, id {d} limit %(limit)s").format(
        SQL(" union all ").join(branches), d=DIRECTION[down]
    )


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
    where status = 'a' and {state} {number} {customer} {within} and (last_at, id) {beyond} (%(at)s, %(id)s)
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
      join customers member on coalesce(member.merged_into, member.id) = coalesce(c.merged_into, c.id)
      where i.kind = 'w' and i.value = %(phone)s {number}
    )"""
)
