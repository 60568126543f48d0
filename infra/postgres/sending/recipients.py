"""To whom a message goes: the customer behind an address, and when they wrote last. Raises psycopg errors."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.conversations.customers.identities import IdentityKey
from domain.sending.acceptance import Recipient, recipient_of
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.conversations.holders import HOLDER

MEMBERS: LiteralString = (
    "m.id in (select u.id from customers u, "
    "(select coalesce(merged_into, id) as id from customers where id = {0}) root "
    "where u.id = root.id or u.merged_into = root.id)"
)
"""Condition for all ids under which a customer was known before these were found to be one; `m`: a customer's row."""

_HOLDER: LiteralString = HOLDER.format(number="t.phone_number_id", kind='t.kind::"char"', value="t.value")


class KnownCustomer(NamedTuple):
    """A customer who has written to a number. `conversation_id`: of their latest conversation."""

    customer_id: UUID
    conversation_id: UUID


def customers_at(connection: Connection[Any], addresses: Collection[IdentityKey]) -> dict[IdentityKey, KnownCustomer]:
    """Returns the customers who have these addresses now and have written to the number."""
    if not addresses:
        return {}
    rows = connection.execute(
        "select t.phone_number_id, t.kind, t.value, c.customer_id, c.id "
        "from unnest(%b::text[], %b::text[], %b::text[]) as t (phone_number_id, kind, value) "
        f"cross join lateral (select {_HOLDER} as customer_id offset 0) i "
        "cross join lateral (select c.id, coalesce(m.merged_into, m.id) as customer_id "
        f"from customers m join conversations c on c.customer_id = m.id where {MEMBERS.format('i.customer_id')} "
        "and c.phone_number_id = t.phone_number_id order by c.opened_at desc limit 1) c",
        column_arrays(sorted(addresses)),
    ).fetchall()
    return {IdentityKey(*row[:3]): KnownCustomer(row[3], row[4]) for row in rows}


def last_turn_at(connection: Connection[Any], customer: UUID, phone_number_id: str) -> datetime | None:
    """Returns when a customer last wrote to a number, in whichever conversation."""
    row = connection.execute(
        f"select max(c.last_at) from customers m join conversations c on c.customer_id = m.id "
        f"where {MEMBERS.format('%(customer)b')} and c.phone_number_id = %(number)b",
        {"customer": customer, "number": phone_number_id},
    ).fetchone()
    return row[0] if row is not None else None


def recipient_in(connection: Connection[Any], conversation: Conversation) -> Recipient:
    """Returns to whom an answer in a conversation goes."""
    last = last_turn_at(connection, conversation.customer_id, conversation.phone_number_id)
    return recipient_of(conversation)._replace(last_turn_at=last)


def ask_receipt(connection: Connection[Any], conversation: UUID, number: str, message: UUID, *, typing: bool) -> None:
    """Notes that a customer is to be shown that `message`, their last one, was read, and that somebody writes; the
    latter at most every 15 seconds."""
    connection.execute(
        "insert into receipts as r (conversation_id, phone_number_id, wamid, typing, asked_at) "
        "select %b, %b, wamid, %b, clock_timestamp() from entries where input_id = %b and wamid is not null limit 1 "
        "on conflict (conversation_id) do update set wamid = excluded.wamid, typing = excluded.typing, "
        "asked_at = excluded.asked_at where r.wamid <> excluded.wamid or (excluded.typing and not r.typing) "
        "or (excluded.typing and r.asked_at < clock_timestamp() - interval '15 seconds')",
        [conversation, number, typing, message],
    )


class AskedReceipt(NamedTuple):
    """What a customer is to be shown about their message."""

    phone_number_id: str
    wamid: str
    typing: bool


def take_receipts(connection: Connection[Any], most: int, max_age_seconds: float) -> list[AskedReceipt]:
    """Takes at most `most` of what is to be shown, not too old and not from a paused number, for this sender alone."""
    rows = connection.execute(
        "update receipts r set taken_at = clock_timestamp() from (select conversation_id from receipts "
        "where (taken_at is null or taken_at < asked_at) "
        "and asked_at > clock_timestamp() - make_interval(secs => %b) "
        "and not exists (select from lanes l where l.phone_number_id = receipts.phone_number_id "
        "and l.paused_until > clock_timestamp()) order by asked_at limit %b for update skip locked) due "
        "where r.conversation_id = due.conversation_id returning r.phone_number_id, r.wamid, r.typing",
        [max_age_seconds, most],
    ).fetchall()
    return [AskedReceipt(*row) for row in rows]
