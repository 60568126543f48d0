"""The list *Waiting for a reply*: active conversations in which somebody wrote to the customer and the customer wrote
again, those who wait longest first. Raises psycopg errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed

from domain.routing.supervision import Supervision
from infra.postgres.lists.cursor import Cursor
from infra.postgres.lists.supervised import WITHIN, values_within
from infra.postgres.lists.unmanaged import LISTED, ListedConversation

LONGEST = Cursor(datetime.min.replace(tzinfo=UTC), UUID(int=0))
"""The cursor of the first page."""


@dataclass(frozen=True, slots=True)
class ReplyFilter:
    """Selects conversations; None selects all. `user`: their owner. `within`: only what a supervisor supervises."""

    number: str | None = None
    user: str | None = None
    within: Supervision | None = None


@dataclass(frozen=True, slots=True)
class WaitingForReplyPage:
    """Rows, and the cursor of the next page (None: this is the last page)."""

    rows: Sequence[ListedConversation]
    next: Cursor | None


def waiting_for_reply(
    conn: Connection[Any], which: ReplyFilter, rows: int, after: Cursor = LONGEST
) -> WaitingForReplyPage:
    """Returns one page. O(rows), from the index of the list; of a user: O(their conversations)."""
    values: dict[str, object] = {"number": which.number, "user": which.user, "at": after.at, "id": after.id}
    values |= {"limit": rows + 1, **values_within(which.within)}
    found = conn.cursor(row_factory=class_row(ListedConversation)).execute(reply_statement(which), values).fetchall()
    shown = found[:rows]
    last = shown[-1] if len(found) > rows else None
    return WaitingForReplyPage(shown, Cursor(last.waits_since, last.id) if last and last.waits_since else None)


def reply_statement(which: ReplyFilter) -> Composed:
    """Returns the SQL of a page. Its parameters: `number`, `user`, `at` and `id` (the end of the previous page) and
    `limit`."""
    return SQL(
        "select {columns} from conversations where status = 'a' and waits_since is not null {number} {user} {within} "
        "and (waits_since, id) > (%(at)s, %(id)s) order by waits_since, id limit %(limit)s"
    ).format(
        columns=LISTED,
        number=SQL("and phone_number_id = %(number)s" if which.number is not None else ""),
        user=SQL("and owner_kind = 'u' and owner_id = %(user)s" if which.user is not None else ""),
        within=WITHIN[which.within is not None],
    )
