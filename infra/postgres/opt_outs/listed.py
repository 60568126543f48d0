"""Opt-outs as people read them: the latest first. Raises psycopg errors."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.command_bodies.campaigns import OptOutScope
from domain.opt_outs.opt_out import ALL_NUMBERS, OptOutSource, read_customer
from domain.phone_numbers import phone_key
from infra.postgres.lists.cursor import START, Cursor

_AT_ONCE = 1000
"""Rows that a download reads at a time."""


class OptOutFilter(NamedTuple):
    """Selects opt-outs; None selects all. `number`: a business number, `ALL_NUMBERS` for those that concern all of
    them; `customer`: a phone or user id; `ended`: also those that have ended."""

    number: str | None = None
    source: OptOutSource | None = None
    customer: str | None = None
    ended: bool = False

    @property
    def address(self) -> str | None:
        """The customer's phone or user id as it is stored; what is neither finds nothing."""
        if not self.customer:
            return None
        party = read_customer(self.customer)
        return phone_key((party.wa_id or party.user_id or "") if party is not None else self.customer)


class ListedOptOut(NamedTuple):
    """One opt-out of one id of a customer. `conversation_id`: in which the customer wrote the word, if it is there."""

    id: UUID
    phone_number_id: str
    is_phone: bool
    address: str
    scope: OptOutScope
    source: OptOutSource
    at: datetime
    actor: str
    evidence: str | None
    ended_at: datetime | None
    ended_by: str | None
    ended_evidence: str | None
    conversation_id: UUID | None

    @property
    def is_erased(self) -> bool:
        """Whether the person was erased: only a keyed hash of the address is left."""
        return not self.address

    @property
    def number(self) -> str | None:
        """The business number; None: all of them."""
        return self.phone_number_id if self.phone_number_id != ALL_NUMBERS else None


class OptOutPage(NamedTuple):
    """Opt-outs, and the cursor of the next page (None: this is the last page)."""

    rows: list[ListedOptOut]
    next: Cursor | None


_LISTED: LiteralString = (
    "select o.id, o.phone_number_id, o.kind = 'w' as is_phone, o.address, o.scope, o.source, o.at, o.actor, "
    "o.evidence, case when not o.in_force then o.ended_at end as ended_at, "
    "case when not o.in_force then o.ended_by end as ended_by, "
    "case when not o.in_force then o.ended_evidence end as ended_evidence, "
    "(select e.conversation_id from entries e where o.source = 'keyword' and e.input_id = o.input_id limit 1) "
    "as conversation_id from opt_outs o"
)


def opt_out_page(connection: Connection[Any], which: OptOutFilter, rows: int, after: Cursor = START) -> OptOutPage:
    """Returns one page. O(rows) from the index of the number, the source or the time; by customer O(their opt-outs).
    Those that have ended and are not asked for are passed over."""
    conditions: LiteralString = "o.at is not null and (o.at, o.id) < (%(at)s, %(id)s)"
    if not which.ended:
        conditions += " and o.in_force"
    if which.number is not None:
        conditions += " and o.phone_number_id = %(number)s"
    if which.source is not None:
        conditions += " and o.source = %(source)s"
    if which.address is not None:
        conditions += " and o.value in (%(address)s, erased_value('w', %(address)s), erased_value('u', %(address)s))"
    with connection.cursor(row_factory=class_row(ListedOptOut)) as cursor:
        found = cursor.execute(
            f"{_LISTED} where {conditions} order by o.at desc, o.id desc limit %(limit)s",
            {
                "at": after.at,
                "id": after.id,
                "number": which.number,
                "source": which.source,
                "address": which.address,
                "limit": rows + 1,
            },
        ).fetchall()
    shown = found[:rows]
    return OptOutPage(shown, Cursor(shown[-1].at, shown[-1].id) if len(found) > rows else None)


def all_opt_outs(connection: Connection[Any], which: OptOutFilter) -> Iterator[ListedOptOut]:
    """Yields all that match, a page at a time."""
    after: Cursor | None = START
    while after is not None:
        page = opt_out_page(connection, which, _AT_ONCE, after)
        yield from page.rows
        after = page.next


def find_opt_out(connection: Connection[Any], id_: UUID) -> ListedOptOut | None:
    """Returns one opt-out."""
    with connection.cursor(row_factory=class_row(ListedOptOut)) as cursor:
        return cursor.execute(f"{_LISTED} where o.id = %s and o.at is not null", [id_]).fetchone()
