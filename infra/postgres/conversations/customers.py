"""Customers and their identities: found, added, joined and locked, for a whole batch at once.

Each method is a bounded number of statements over the whole batch, sorted by key, so that concurrent writers take their
locks in one order (architecture.md, P4 and P5).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection, Rollback
from psycopg.sql import SQL, Identifier

from domain.conversations.conversation import Conversation, FactRef
from domain.conversations.customers.identities import ALWAYS, Identity, IdentityKey
from domain.ids import CustomerId, FactId
from infra.postgres.connections.arrays import column_arrays

_FAMILIES: LiteralString = (
    "with roots as (select coalesce(merged_into, id) as id from customers where id = any(%b::uuid[])) "
    "select id, merged_into from customers where id in (select id from roots "
    "union all select c.id from customers c join roots r on c.merged_into = r.id)"
)
_LOCK: LiteralString = f"{_FAMILIES} order by id for no key update"

_KEYS: LiteralString = "unnest(%b::text[], %b::text[], %b::text[]) as k (phone_number_id, kind, value)"
_OF_KEY: LiteralString = 'i.phone_number_id = k.phone_number_id and i.kind = k.kind::"char" and i.value = k.value'
_PERIODS: LiteralString = (
    "select i.phone_number_id, i.kind::text, i.value, i.customer_id, i.at, i.user_id, null::timestamptz, null::bigint, "
    f"null::uuid, null::text from {_KEYS} join identities i on {_OF_KEY} "
    "union all "
    "select i.phone_number_id, i.kind::text, i.value, i.customer_id, i.at, i.user_id, i.since, i.arrival, i.report, "
    f"i.left_for from {_KEYS} join identity_periods i on {_OF_KEY}"
)
_SAME_KEY: LiteralString = 'i.phone_number_id = t.phone_number_id and i.kind = t.kind::"char" and i.value = t.value'
_CHANGED: LiteralString = "customer_id = t.customer_id, at = t.at, user_id = t.user_id"


class _Periods(NamedTuple):
    """A table of periods: statements that add and change rows, from arrays of the columns of `row`."""

    add: LiteralString
    change: LiteralString
    row: Callable[[Identity], tuple[object, ...]]


_ARRAYS_OF_FIRST: LiteralString = (
    "unnest(%b::text[], %b::text[], %b::text[], %b::uuid[], %b::timestamptz[], %b::text[]) "
    "as t (phone_number_id, kind, value, customer_id, at, user_id)"
)
_FIRST = _Periods(
    "insert into identities (phone_number_id, kind, value, customer_id, at, user_id) "
    f'select phone_number_id, kind::"char", value, customer_id, at, user_id from {_ARRAYS_OF_FIRST} '
    "order by 1, 2, 3 on conflict do nothing",
    f"update identities i set {_CHANGED} from {_ARRAYS_OF_FIRST} where {_SAME_KEY}",
    lambda i: (*i.key, i.customer_id, i.at, i.user_id),
)

_REST_OF_REPORTED: LiteralString = "value, since, arrival, report, customer_id, at, user_id, left_for"
_ARRAYS_OF_REPORTED: LiteralString = (
    "unnest(%b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::bigint[], %b::uuid[], %b::uuid[], "
    f"%b::timestamptz[], %b::text[], %b::text[]) as t (phone_number_id, kind, {_REST_OF_REPORTED})"
)
_REPORTED = _Periods(
    f"insert into identity_periods (phone_number_id, kind, {_REST_OF_REPORTED}) "
    f'select phone_number_id, kind::"char", {_REST_OF_REPORTED} from {_ARRAYS_OF_REPORTED} '
    "order by 1, 2, 3, 4, 5, 6 on conflict do nothing",
    f"update identity_periods i set {_CHANGED} from {_ARRAYS_OF_REPORTED} "
    f"where {_SAME_KEY} and i.since = t.since and i.arrival = t.arrival and i.report = t.report",
    lambda i: (*i.key, *i.since, i.customer_id, i.at, i.user_id, i.left_for),
)


def _by_table(identities: Collection[Identity]) -> Iterator[tuple[_Periods, list[list[Any]]]]:
    """Yields each table in which some of the identities are, with its columns, in the order of the keys."""
    ordered = sorted(identities, key=lambda identity: (identity.key, identity.since))
    for table, is_reported in ((_FIRST, False), (_REPORTED, True)):
        if rows := [table.row(i) for i in ordered if (i.since != ALWAYS) == is_reported]:
            yield table, column_arrays(rows)


def _period(
    number: str,
    kind: Literal["g", "u", "w"],
    value: str,
    customer: CustomerId,
    at: datetime,
    user_id: str | None,
    since: datetime | None,
    arrival: int,
    report: FactId,
    left_for: str | None,
) -> Identity:
    began = ALWAYS if since is None else FactRef(since, arrival, report)
    return Identity(IdentityKey(number, kind, value), customer, at, user_id, began, left_for)


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
        """Returns the known periods of these identities, and of all that are connected with them by Meta's reports of
        changes: where their customers came from, and where they went."""
        found: dict[tuple[IdentityKey, FactRef], Identity] = {}
        wanted = set(keys)
        while wanted:
            periods = self._periods(wanted)
            found |= {(period.key, period.since): period for period in periods}
            reported = [period for period in periods if period.since != ALWAYS]
            wanted = self._of_reports({period.since.fact for period in reported}) if reported else set()
            wanted |= {p.key._replace(kind="u", value=p.user_id) for p in reported if p.user_id is not None}
            wanted -= {key for key, _ in found}
        return list(found.values())

    def _periods(self, keys: Collection[IdentityKey]) -> list[Identity]:
        arrays = column_arrays(sorted(keys))
        rows = self._connection.execute(_PERIODS, [*arrays, *arrays]).fetchall()
        return [_period(*row) for row in rows]

    def _of_reports(self, reports: Collection[UUID]) -> set[IdentityKey]:
        """Returns the identities that these reports of changes were about."""
        rows = self._connection.execute(
            "select phone_number_id, kind::text, value from identity_periods where report = any(%b::uuid[])",
            [list(reports)],
        )
        return {IdentityKey(*row) for row in rows}

    def add_identities(self, identities: Collection[Identity]) -> None:
        """Adds unknown identities and their customers. One that another writer has just added stays as that writer
        stored it."""
        if not identities:
            return
        self._connection.execute(
            "insert into customers (id) select distinct id from unnest(%b::uuid[]) as t (id) order by id "
            "on conflict do nothing",
            [[identity.customer_id for identity in identities]],
        )
        for table, columns in _by_table(identities):
            self._connection.execute(table.add, columns)

    def change_identities(self, identities: Collection[Identity], merged: Mapping[CustomerId, CustomerId]) -> None:
        """Writes changed identities and joined customers (`merged`: customer -> the one it was joined into). The caller
        holds the customers' locks."""
        for table, columns in _by_table(identities):
            self._connection.execute(table.change, columns)
        if merged:
            into = [list(merged), list(merged.values())]
            for name in ("identities", "identity_periods"):
                self._connection.execute(
                    SQL(
                        "update {} i set customer_id = t.into_id "
                        "from unnest(%b::uuid[], %b::uuid[]) as t (id, into_id) where i.customer_id = t.id"
                    ).format(Identifier(name)),
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
