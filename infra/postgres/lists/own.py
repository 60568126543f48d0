"""The conversations that an agent has: those that are offered to them, and those that they accepted. Raises psycopg
errors."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.sql import SQL

from infra.postgres.lists.unmanaged import LISTED, ListedConversation

MOST_OWN = 200
"""More conversations than this are not listed."""


def own_conversations(conn: Connection[Any], agent: str) -> list[ListedConversation]:
    """Returns the offers by the time at which they end, then the accepted conversations by the end of their window,
    the first to end on top."""
    cursor = conn.cursor(row_factory=class_row(ListedConversation))
    return cursor.execute(_OWN, {"agent": agent, "most": MOST_OWN}).fetchall()


def parked_conversations(conn: Connection[Any], agent: str) -> list[ListedConversation]:
    """Returns the conversations that were parked for an agent, the next to come back on top."""
    cursor = conn.cursor(row_factory=class_row(ListedConversation))
    return cursor.execute(_PARKED, {"agent": agent, "most": MOST_OWN}).fetchall()


def earlier_conversations(conn: Connection[Any], conversation: UUID, most: int) -> Sequence[ListedConversation]:
    """Returns other conversations of the same customer on the same number, the latest first."""
    cursor = conn.cursor(row_factory=class_row(ListedConversation))
    return cursor.execute(_EARLIER, {"conversation": conversation, "most": most}).fetchall()


def skillset_before(conn: Connection[Any], conversation: UUID) -> str | None:
    """Returns the skillset that had the latest of the customer's earlier conversations with the number; None: none did.
    Of the ten latest conversations only."""
    found = conn.execute(_BEFORE, {"conversation": conversation}).fetchone()
    return found[0] if found else None


def may_read(conn: Connection[Any], agent: str, conversation: UUID) -> bool:
    """Whether an agent may read a conversation: it is theirs or parked for them, or another of its customer is."""
    found = conn.execute(_MAY_READ, {"agent": agent, "conversation": conversation}).fetchone()
    assert found is not None
    return bool(found[0])


_OWN = SQL(
    """
    select {columns} from conversations where status = 'a' and owner_kind = 'u' and owner_id = %(agent)s
      and owner_state in ('a', 'x')
    order by owner_state, case when owner_state = 'a' then owner_until else window_ends_at end, id limit %(most)s
    """
).format(columns=LISTED)
"""`a`, offered, sorts before `x`, accepted."""

_PARKED = SQL(
    "select {columns} from conversations where status = 'a' and owner_kind = 'u' and owner_id = %(agent)s "
    "and owner_state = 'r' and parked_until is not null order by parked_until, id limit %(most)s"
).format(columns=LISTED)

_CUSTOMERS = SQL(
    """
    select member.id from conversations asked join customers c on c.id = asked.customer_id
      cross join lateral (
        select coalesce(c.merged_into, c.id) as id
        union all select m.id from customers m where m.merged_into = coalesce(c.merged_into, c.id)
      ) as member
    where asked.id = %(conversation)s
    """
)
"""The ids under which the customer of a conversation is known: two that turned out to be one person are merged. Each is
read by its key."""

_EARLIER = SQL(
    "select {columns} from conversations where customer_id in ({customers}) and id <> %(conversation)s "
    "order by opened_at desc, id desc limit %(most)s"
).format(columns=LISTED, customers=_CUSTOMERS)

_BEFORE = SQL(
    "with earlier as (select c.id, c.opened_at from conversations c, conversations this "
    "where this.id = %(conversation)s and c.customer_id in ({customers}) and c.phone_number_id = this.phone_number_id "
    "and c.opened_at < this.opened_at order by c.opened_at desc limit 10) "
    "select h.owner_id from earlier cross join lateral (select owner_id from history "
    "where conversation_id = earlier.id and owner_kind = 's' order by sequence desc limit 1) as h "
    "order by earlier.opened_at desc limit 1"
).format(customers=_CUSTOMERS)

_MAY_READ = SQL(
    "select exists (select from conversations where customer_id in ({customers}) and owner_kind = 'u' "
    "and owner_id = %(agent)s and (owner_state in ('a', 'x') or parked_until is not null))"
).format(customers=_CUSTOMERS)
