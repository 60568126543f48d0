"""Customers and their conversations in Postgres: found, locked, read and written for a whole batch at once.

Every method is a bounded number of statements, each over the whole batch with `unnest`, each sorted by its key, so that
concurrent writers meet in one order (architecture.md, P4 and P5). Cost: O(facts in the batch x log rows).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.conversations.customers import Identity, IdentityKey
from domain.conversations.events import PublicEvent
from domain.conversations.fold import CustomerHistory, FactPlacement
from domain.facts import ConversationFact
from domain.ids import ConversationId, CustomerId
from infra.postgres.connections.arrays import column_arrays, uuid_array
from infra.postgres.conversations import columns, entries

_LOOK_BACK = timedelta(hours=24)
"""How long before the earliest fact in hand a waiting fact can still matter: a window."""


class HistoryRequest(NamedTuple):
    """A thread to load: the customer, the number, and the time of the earliest fact in hand."""

    customer_id: CustomerId
    phone_number_id: str
    since: datetime


class CustomerHistories:
    """On one connection, inside the caller's transaction. Raises psycopg errors."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    # who is who

    def identities(self, keys: Collection[IdentityKey]) -> list[Identity]:
        """Those of the keys that are known."""
        if not keys:
            return []
        rows = self._rows(
            "select i.phone_number_id, i.kind::text, i.value, i.customer_id, i.at, i.user_id "
            "from unnest(%b::text[], %b::text[], %b::text[]) as k (phone_number_id, kind, value) "
            "join identities i on i.phone_number_id = k.phone_number_id "
            'and i.kind = k.kind::"char" and i.value = k.value',
            column_arrays(sorted(keys)),
        )
        return [Identity(IdentityKey(*row[:3]), *row[3:]) for row in rows]

    def add_identities(self, identities: Iterable[Identity]) -> None:
        """Adds the unknown ones and their customers; one that another writer just added stays as it is there."""
        ordered = sorted(identities, key=lambda identity: identity.key)
        if not ordered:
            return
        self._do(
            "insert into customers (id) select distinct id from unnest(%b::uuid[]) as t (id) order by id "
            "on conflict do nothing",
            [[identity.customer_id for identity in ordered]],
        )
        self._do(
            "insert into identities (phone_number_id, kind, value, customer_id, at, user_id) "
            'select phone_number_id, kind::"char", value, customer_id, at, user_id '
            "from unnest(%b::text[], %b::text[], %b::text[], %b::uuid[], %b::timestamptz[], %b::text[]) "
            "as t (phone_number_id, kind, value, customer_id, at, user_id) order by 1, 2, 3 on conflict do nothing",
            column_arrays((*i.key, i.customer_id, i.at, i.user_id) for i in ordered),
        )

    def change_identities(self, identities: Iterable[Identity], merged: Mapping[CustomerId, CustomerId]) -> None:
        """Writes what the book learned; the customers are locked."""
        ordered = sorted(identities, key=lambda identity: identity.key)
        if ordered:
            self._do(
                "update identities i set customer_id = t.customer_id, at = t.at, user_id = t.user_id "
                "from unnest(%b::text[], %b::text[], %b::text[], %b::uuid[], %b::timestamptz[], %b::text[]) "
                "as t (phone_number_id, kind, value, customer_id, at, user_id) "
                'where i.phone_number_id = t.phone_number_id and i.kind = t.kind::"char" and i.value = t.value',
                column_arrays((*i.key, i.customer_id, i.at, i.user_id) for i in ordered),
            )
        if merged:
            into = [list(merged), list(merged.values())]
            self._do(
                "update identities i set customer_id = t.into_id "
                "from unnest(%b::uuid[], %b::uuid[]) as t (id, into_id) where i.customer_id = t.id",
                into,
            )
            self._do(
                "update customers c set merged_into = t.into_id from unnest(%b::uuid[], %b::uuid[]) as t (id, into_id) "
                "where c.id = t.id or c.merged_into = t.id",
                into,
            )

    def lock(self, customers: Collection[CustomerId]) -> dict[CustomerId, list[CustomerId]]:
        """Takes the customers' locks, in the order of their ids, with those that were joined into them. Returns the
        joined ones of each."""
        rows = self._rows(
            "select id, merged_into from customers where id in (select unnest(%b::uuid[]) "
            "union all select id from customers where merged_into = any(%b::uuid[])) order by id for no key update",
            [list(customers), list(customers)],
        )
        joined: dict[CustomerId, list[CustomerId]] = {row[0]: [] for row in rows}
        for member, into in rows:
            if into is not None:
                joined.setdefault(into, []).append(member)
        return joined

    def customers_of(self, conversations: Collection[UUID]) -> dict[UUID, tuple[CustomerId, str]]:
        """Customer (after joining) and number of the conversations that exist."""
        if not conversations:
            return {}
        rows = self._rows(
            "select c.id, coalesce(u.merged_into, u.id), c.phone_number_id from conversations c "
            "join customers u on u.id = c.customer_id where c.id = any(%b::uuid[])",
            [list(conversations)],
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    # what is known of them

    def seen(self, facts: Collection[tuple[UUID, datetime]]) -> set[tuple[UUID, datetime]]:
        """Those facts `(id, sent_at)` that are stored already."""
        return set(
            self._rows(
                "select e.input_id, e.sent_at from unnest(%b::uuid[], %b::timestamptz[]) as t (input_id, sent_at) "
                "join entries e on e.input_id = t.input_id and e.sent_at = t.sent_at",
                column_arrays(sorted(facts, key=lambda fact: fact[0].int)),
            )
            if facts
            else []
        )

    def load(
        self,
        wanted: Collection[HistoryRequest],
        joined: Mapping[CustomerId, Sequence[CustomerId]],
        named: Collection[UUID] = (),
    ) -> dict[CustomerId, CustomerHistory]:
        """The threads of locked customers: conversations opened after `since` and the one before, those `named` by id,
        and the facts that wait."""
        if not wanted:
            return {}
        root_of = {member: w.customer_id for w in wanted for member in (w.customer_id, *joined.get(w.customer_id, ()))}
        spread = [
            (member, w.phone_number_id, w.since)
            for w in wanted
            for member in (w.customer_id, *joined.get(w.customer_id, ()))
        ]
        members = column_arrays(spread)
        conversations: dict[CustomerId, dict[UUID, Conversation]] = {w.customer_id: {} for w in wanted}
        rows = self._rows(_LOAD_CONVERSATIONS, members)
        if named:
            rows += self._rows(
                f"select {columns.READ_BACK} from conversations c where c.id = any(%b::uuid[])", [list(named)]
            )
        for row in rows:
            conversation = columns.from_row(row)
            if conversation.customer_id in root_of:
                conversations[root_of[conversation.customer_id]][conversation.id] = conversation
        waiting: dict[CustomerId, list[ConversationFact]] = {w.customer_id: [] for w in wanted}
        for customer, *entry in self._rows(_LOAD_WAITING, [members[0], [at - _LOOK_BACK for at in members[2]]]):
            waiting[root_of[customer]].append(entries.from_row(entry))
        return {
            w.customer_id: CustomerHistory(
                w.customer_id,
                w.phone_number_id,
                tuple(sorted(conversations[w.customer_id].values(), key=lambda c: c.opened_at)),
                tuple(waiting[w.customer_id]),
            )
            for w in wanted
        }

    def reaching(self, ends: Mapping[ConversationId, datetime]) -> set[ConversationId]:
        """Those of the conversations that hold facts from the given times on."""
        return {
            row[0]
            for row in self._rows(
                "select t.id from unnest(%b::uuid[], %b::timestamptz[]) as t (id, at) "
                "where exists (select from entries e where e.conversation_id = t.id and e.at >= t.at)",
                [list(ends), list(ends.values())],
            )
        }

    def facts_of(self, conversation: ConversationId) -> list[ConversationFact]:
        """All that is stored of a conversation."""
        rows = self._rows(
            "select e.input_id, e.sent_at, e.at, e.kind, e.wamid, e.body, e.detail from entries e "
            "where e.conversation_id = %b",
            [conversation],
        )
        return [entries.from_row(row) for row in rows]

    def due(self, now: datetime, limit: int) -> list[tuple[ConversationId, CustomerId]]:
        """Active conversations whose window is over at `now`, the longest over first, without a lock."""
        return list(
            self._rows(
                "select id, customer_id from conversations where status = 'a' and window_ends_at <= %b "
                "order by window_ends_at limit %b",
                [now, limit],
            )
        )

    def lock_free(self, customers: Collection[CustomerId]) -> set[CustomerId]:
        """Takes the locks that nobody holds, in the order of the ids; the others are left for a later round."""
        rows = self._rows(
            "select id from customers where id = any(%b::uuid[]) order by id for no key update skip locked",
            [list(customers)],
        )
        return {row[0] for row in rows}

    def still_due(self, conversations: Collection[ConversationId], now: datetime) -> list[Conversation]:
        """Of these, read again under the lock, those that are still over at `now`."""
        rows = self._rows(
            f"select {columns.READ_BACK} from conversations c "
            "where c.id = any(%b::uuid[]) and c.status = 'a' and c.window_ends_at <= %b",
            [list(conversations), now],
        )
        return [columns.from_row(row) for row in rows]

    def read(self, conversations: Collection[UUID]) -> list[Conversation]:
        """These, as they are."""
        rows = self._rows(
            f"select {columns.READ_BACK} from conversations c where c.id = any(%b::uuid[]) order by c.id",
            [list(conversations)],
        )
        return [columns.from_row(row) for row in rows]

    # what a batch changed

    def write_conversations(self, existing: Collection[Conversation], new: Collection[Conversation]) -> None:
        """The existing ones first: one that closes makes room for the active one that follows it."""
        if existing:
            sent = columns.to_columns(sorted(existing, key=_by_id))
            self._do(_UPDATE_CONVERSATIONS, sent[columns.FIXED :])
        if new:
            self._do(_INSERT_CONVERSATIONS, columns.to_columns(sorted(new, key=_by_id)))

    def write_entries(self, new: Iterable[tuple[CustomerId, FactPlacement]], adopted: Iterable[FactPlacement]) -> None:
        """`new`: facts that were not stored before; `adopted`: stored ones that found their conversation."""
        rows = [(*entries.to_row(p.fact), customer, p.conversation) for customer, p in new]
        rows.sort(key=lambda row: row[0].int)
        if rows:
            self._do(
                "insert into entries (input_id, sent_at, at, kind, wamid, body, detail, customer_id, conversation_id) "
                "select input_id, sent_at, at, kind, wamid, body, detail::json, customer_id, conversation_id "
                "from unnest(%b::uuid[], %b::timestamptz[], %b::timestamptz[], %b::text[], %b::text[], %b::text[], "
                "%b::text[], %b::uuid[], %b::uuid[]) "
                "as t (input_id, sent_at, at, kind, wamid, body, detail, customer_id, conversation_id)",
                column_arrays(rows),
            )
        found = [(p.fact.id, p.fact.sent_at, p.conversation) for p in adopted]
        if found:
            found.sort(key=lambda row: row[0].int)
            self._do(
                "update entries e set conversation_id = t.conversation_id "
                "from unnest(%b::uuid[], %b::timestamptz[], %b::uuid[]) as t (input_id, sent_at, conversation_id) "
                "where e.input_id = t.input_id and e.sent_at = t.sent_at",
                column_arrays(found),
            )

    def write_history(self, events: Iterable[PublicEvent]) -> None:
        """One row a public event."""
        rows = [
            (
                e.conversation.id,
                e.conversation.sequence,
                e.at,
                e.name,
                e.conversation.reason.code if e.conversation.reason else None,
                uuid_array(e.because),
                e.actor,
                columns.OWNER_KIND_CODES[e.conversation.owner.kind] if e.conversation.owner else None,
                e.conversation.owner.id if e.conversation.owner else None,
                e.mail.id if e.mail else None,
            )
            for e in sorted(events, key=lambda e: (e.conversation.id.int, e.conversation.sequence))
        ]
        if rows:
            self._do(
                "insert into history "
                "(conversation_id, sequence, at, event, reason, because, actor, owner_kind, owner_id, mail_id) "
                'select id, sequence, at, event, reason, because::uuid[], actor, owner_kind::"char", owner_id, mail_id '
                "from unnest(%b::uuid[], %b::integer[], %b::timestamptz[], %b::text[], %b::smallint[], %b::text[], "
                "%b::text[], %b::text[], %b::text[], %b::uuid[]) "
                "as t (id, sequence, at, event, reason, because, actor, owner_kind, owner_id, mail_id)",
                column_arrays(rows),
            )

    def count(self, before: Iterable[Conversation], after: Iterable[Conversation]) -> None:
        """Moves the counters of the unmanaged; the last write of a transaction, sorted, because they are hot."""
        moved: dict[tuple[str, str, int], int] = {}
        for conversations, step in ((before, -1), (after, 1)):
            for c in conversations:
                if c.reason is not None:
                    key = (c.phone_number_id, columns.STATUS_CODES[c.status], c.reason.code)
                    moved[key] = moved.get(key, 0) + step
        rows = sorted((*key, n) for key, n in moved.items() if n)
        if rows:
            self._do(
                "insert into unmanaged_counts (phone_number_id, status, reason, n) "
                'select phone_number_id, status::"char", reason, n '
                "from unnest(%b::text[], %b::text[], %b::smallint[], %b::bigint[]) "
                "as t (phone_number_id, status, reason, n) order by 1, 2, 3 "
                "on conflict (phone_number_id, status, reason) do update set n = unmanaged_counts.n + excluded.n",
                column_arrays(rows),
            )

    def _rows(self, statement: LiteralString, values: Sequence[Any]) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()

    def _do(self, statement: LiteralString, values: Sequence[Any]) -> None:
        self._connection.execute(statement, values)


def _by_id(conversation: Conversation) -> int:
    return conversation.id.int


def _sent(
    columns: Sequence[tuple[LiteralString, LiteralString]],
) -> tuple[LiteralString, LiteralString, LiteralString]:
    """`unnest(..)` of these columns, their names, and the expressions that make table values of them."""
    arrays: LiteralString = ", ".join(f"%b::{kind}[]" for _, kind in columns)
    names: LiteralString = ", ".join(name for name, _ in columns)
    casts: dict[str, LiteralString] = {
        "status": '::"char"',
        "owner_kind": '::"char"',
        "owner_state": '::"char"',
        "because": "::uuid[]",
        "memory": "::json",
    }
    values: LiteralString = ", ".join(f"t.{name}{casts.get(name, '')}" for name, _ in columns)
    return f"unnest({arrays}) as t ({names})", names, values


def _insert_conversations() -> LiteralString:
    source, names, values = _sent(columns.COLUMNS)
    return f"insert into conversations ({names}) select {values} from {source}"


def _update_conversations() -> LiteralString:
    source, names, values = _sent(columns.COLUMNS[columns.FIXED :])
    return f"update conversations c set ({names}) = row ({values}) from {source} where c.id = t.id"


_INSERT_CONVERSATIONS = _insert_conversations()

_UPDATE_CONVERSATIONS = _update_conversations()

_LOAD_CONVERSATIONS: LiteralString = (
    f"select {columns.READ_BACK} "
    "from unnest(%b::uuid[], %b::text[], %b::timestamptz[]) as t (customer_id, phone_number_id, since) "
    "cross join lateral ("
    "(select * from conversations n where n.customer_id = t.customer_id and n.phone_number_id = t.phone_number_id "
    "and n.opened_at > t.since) union all "
    "(select * from conversations p where p.customer_id = t.customer_id and p.phone_number_id = t.phone_number_id "
    "and p.opened_at <= t.since order by p.opened_at desc limit 1)) c"
)

_LOAD_WAITING: LiteralString = (
    "select e.customer_id, e.input_id, e.sent_at, e.at, e.kind, e.wamid, e.body, e.detail "
    "from unnest(%b::uuid[], %b::timestamptz[]) as t (customer_id, since) "
    "join entries e on e.customer_id = t.customer_id and e.conversation_id is null and e.at >= t.since"
)
