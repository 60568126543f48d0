"""Customers and their identities: found, added, joined and locked, for a whole batch at once.

Each method is a bounded number of statements over the whole batch, sorted by key, so that concurrent writers take their
locks in one order (architecture.md, P4 and P5).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection, Rollback

from domain.conversations.conversation import Conversation
from domain.conversations.customers import Identity, IdentityKey
from domain.ids import CustomerId
from infra.postgres.connections.arrays import column_arrays

_FAMILIES: LiteralString = (
    "with roots as (select coalesce(merged_into, id) as id from customers where id = any(%b::uuid[])) "
    "select id, merged_into from customers where id in (select id from roots "
    "union all select c.id from customers c join roots r on c.merged_into = r.id)"
)
_LOCK: LiteralString = f"{_FAMILIES} order by id for no key update"


@dataclass(frozen=True, slots=True)
class Locked:
    """Customers that the transaction has locked until it ends, each together with all whom it was joined with: nobody
    else can join one of them or change their conversations.

    `root_of`: each locked customer -> the customer into which it was joined; itself, if into none."""

    root_of: Mapping[CustomerId, CustomerId]

    def holds(self, customers: Iterable[CustomerId]) -> bool:
        """Returns whether all of these customers are locked."""
        return self.root_of.keys() >= set(customers)

    def of(self, conversations: Iterable[Conversation]) -> list[Conversation]:
        """Returns those of the conversations whose customer is locked."""
        return [conversation for conversation in conversations if conversation.customer_id in self.root_of]

    def after(self, merged: Mapping[CustomerId, CustomerId]) -> "Locked":
        """Returns the same customers after joins (`merged`: customer -> the one it is joined into)."""
        return Locked({customer: merged.get(root, root) for customer, root in self.root_of.items()})


class Customers:
    """Customers on one connection, inside the caller's transaction. Raises psycopg errors."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def identities(self, keys: Collection[IdentityKey]) -> list[Identity]:
        """Returns the known identities among these keys."""
        if not keys:
            return []
        rows = self._connection.execute(
            "select i.phone_number_id, i.kind::text, i.value, i.customer_id, i.at, i.user_id "
            "from unnest(%b::text[], %b::text[], %b::text[]) as k (phone_number_id, kind, value) "
            "join identities i on i.phone_number_id = k.phone_number_id "
            'and i.kind = k.kind::"char" and i.value = k.value',
            column_arrays(sorted(keys)),
        ).fetchall()
        return [Identity(IdentityKey(*row[:3]), *row[3:]) for row in rows]

    def add_identities(self, identities: Iterable[Identity]) -> None:
        """Adds unknown identities and their customers. One that another writer has just added stays as that writer
        stored it."""
        ordered = sorted(identities, key=lambda identity: identity.key)
        if not ordered:
            return
        self._connection.execute(
            "insert into customers (id) select distinct id from unnest(%b::uuid[]) as t (id) order by id "
            "on conflict do nothing",
            [[identity.customer_id for identity in ordered]],
        )
        self._connection.execute(
            "insert into identities (phone_number_id, kind, value, customer_id, at, user_id) "
            'select phone_number_id, kind::"char", value, customer_id, at, user_id '
            "from unnest(%b::text[], %b::text[], %b::text[], %b::uuid[], %b::timestamptz[], %b::text[]) "
            "as t (phone_number_id, kind, value, customer_id, at, user_id) order by 1, 2, 3 on conflict do nothing",
            column_arrays((*i.key, i.customer_id, i.at, i.user_id) for i in ordered),
        )

    def change_identities(self, identities: Iterable[Identity], merged: Mapping[CustomerId, CustomerId]) -> None:
        """Writes changed identities and joined customers (`merged`: customer -> the one it was joined into). The caller
        holds the customers' locks."""
        ordered = sorted(identities, key=lambda identity: identity.key)
        if ordered:
            self._connection.execute(
                "update identities i set customer_id = t.customer_id, at = t.at, user_id = t.user_id "
                "from unnest(%b::text[], %b::text[], %b::text[], %b::uuid[], %b::timestamptz[], %b::text[]) "
                "as t (phone_number_id, kind, value, customer_id, at, user_id) "
                'where i.phone_number_id = t.phone_number_id and i.kind = t.kind::"char" and i.value = t.value',
                column_arrays((*i.key, i.customer_id, i.at, i.user_id) for i in ordered),
            )
        if merged:
            into = [list(merged), list(merged.values())]
            self._connection.execute(
                "update identities i set customer_id = t.into_id "
                "from unnest(%b::uuid[], %b::uuid[]) as t (id, into_id) where i.customer_id = t.id",
                into,
            )
            self._connection.execute(
                "update customers c set merged_into = t.into_id from unnest(%b::uuid[], %b::uuid[]) as t (id, into_id) "
                "where c.id = t.id or c.merged_into = t.id",
                into,
            )

    def lock(self, customers: Collection[CustomerId]) -> Locked:
        """Locks the customers, with the one that each was joined into and everybody else who was joined into that one.
        Waits for other writers, in the order of ids; where one of them joined customers meanwhile, all locks are given
        up and taken again, as a further lock might come before one that is held."""
        while True:
            with self._connection.pipeline(), self._connection.transaction() as attempt:
                rows = self._connection.execute(_LOCK, [list(customers)])
                now = self._connection.execute(_FAMILIES, [list(customers)])
                locked, found = dict(rows.fetchall()), dict(now.fetchall())
                if found == locked:
                    return Locked({customer: into or customer for customer, into in found.items()})
                raise Rollback(attempt)

    def lock_free(self, customers: Collection[CustomerId]) -> Locked:
        """Locks as `lock` does, but never waits: returns those of the customers that nobody else has locked in whole or
        in part."""
        with self._connection.pipeline():
            rows = self._connection.execute(_LOCK + " skip locked", [list(customers)])
            now = self._connection.execute(_FAMILIES, [list(customers)])
            locked, found = dict(rows.fetchall()), dict(now.fetchall())
        roots = {customer: into or customer for customer, into in found.items()}
        elsewhere = {root for customer, root in roots.items() if customer not in locked}
        return Locked({customer: root for customer, root in roots.items() if root not in elsewhere})

    def of_conversations(self, conversations: Collection[UUID]) -> dict[UUID, tuple[CustomerId, str]]:
        """Returns customer (after joining) and number of the conversations that exist."""
        if not conversations:
            return {}
        rows = self._connection.execute(
            "select c.id, coalesce(u.merged_into, u.id), c.phone_number_id from conversations c "
            "join customers u on u.id = c.customer_id where c.id = any(%b::uuid[])",
            [list(conversations)],
        ).fetchall()
        return {row[0]: (row[1], row[2]) for row in rows}
