"""Customer histories in Postgres: conversations and their facts, read for a whole batch at once.

Each method is a bounded number of statements over the whole batch with `unnest` (architecture.md, P4). Cost: O(facts in
the batch x log rows).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.conversations.history import CustomerHistory
from domain.conversations.placement.window import SKEW
from domain.facts import ConversationFact
from domain.ids import ConversationId, CustomerId, FactId
from infra.postgres.connections.arrays import column_arrays
from infra.postgres.conversations import columns, entries
from infra.postgres.conversations.customers import Locked

Span = tuple[datetime, datetime]
"""From a time (inclusive) to another (exclusive)."""


class HistoryRequest(NamedTuple):
    """A history to load: the customer, the number, the time of the earliest fact in hand, and the spans in which
    a waiting fact may find its conversation."""

    customer_id: CustomerId
    phone_number_id: str
    since: datetime
    spans: Sequence[Span] = ()


FactKey = tuple[UUID, datetime]
"""What recognises the repeat of a fact: its id and `sent_at`."""


class StoredFact(NamedTuple):
    """What is known of a fact that is already stored: the stored copy's `sent_at`, its earliest arrival so far, its
    conversation (None: it waits for one), and the copy itself as a row."""

    sent_at: datetime
    arrival: int
    conversation: ConversationId | None
    row: Sequence[Any]

    def is_copy_of(self, fact: ConversationFact) -> bool:
        """Returns whether it says the same, whatever time it has."""
        times = {"at": fact.at, "sent_at": fact.sent_at, "arrival": fact.arrival}
        return entries.from_row(self.row).model_copy(update=times) == fact


class CustomerHistories:
    """Histories on one connection, inside the caller's transaction. Raises psycopg errors."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def stored_facts(self, facts: Collection[FactKey], by_id: Collection[UUID]) -> dict[FactKey, StoredFact]:
        """Returns those of the facts that are already stored. `by_id`: ids by which a fact is looked for whatever time
        the stored copy has, at most 40 days off: so three months of facts are looked through, and not all. A copy of
        the same time is preferred."""
        if not facts:
            return {}
        rows = self._rows(
            f"select t.input_id, t.sent_at, e.sent_at, e.arrival, e.conversation_id, {entries.READ_BACK} "
            "from unnest(%b::uuid[], %b::timestamptz[], %b::boolean[]) as t (input_id, sent_at, message) "
            "join entries e on e.input_id = t.input_id and (e.sent_at = t.sent_at or t.message) "
            "and e.sent_at >= t.sent_at - interval '40 days' and e.sent_at <= t.sent_at + interval '40 days' "
            "order by e.sent_at = t.sent_at",
            column_arrays((*fact, fact[0] in by_id) for fact in sorted(facts, key=lambda fact: fact[0].int)),
        )
        return {(row[0], row[1]): StoredFact(row[2], row[3], row[4], row[5:]) for row in rows}

    def load(
        self,
        requests: Collection[HistoryRequest],
        locked: Locked,
        named: Collection[UUID] = (),
    ) -> dict[CustomerId, CustomerHistory]:
        """Returns the histories of locked customers: the conversations opened after `since` and the one before, those
        `named` by id, and the facts that wait for a conversation. `locked`: the customers of the requests."""
        if not requests:
            return {}
        wanted = {r.customer_id for r in requests}
        root_of = {member: root for member, root in locked.root_of.items() if root in wanted}
        members_of: dict[CustomerId, list[CustomerId]] = {customer: [] for customer in wanted}
        for member, root in root_of.items():
            members_of[root].append(member)
        members = column_arrays(
            (member, r.phone_number_id, r.since) for r in requests for member in members_of[r.customer_id]
        )
        conversations: dict[CustomerId, dict[UUID, Conversation]] = {r.customer_id: {} for r in requests}
        rows = self._rows(_LOAD_CONVERSATIONS, members)
        if named:
            rows += self._rows(
                f"select {columns.READ_BACK} from conversations c where c.id = any(%b::uuid[])", [list(named)]
            )
        for row in rows:
            conversation = columns.from_row(row)
            if conversation.customer_id in root_of:
                conversations[root_of[conversation.customer_id]][conversation.id] = conversation
        waiting: dict[CustomerId, list[ConversationFact]] = {r.customer_id: [] for r in requests}
        spans = [
            (member, *span)
            for r in requests
            for span in _disjoint(_spans(r, conversations[r.customer_id].values(), members_of[r.customer_id]))
            for member in members_of[r.customer_id]
        ]
        for customer, *entry in self._rows(_LOAD_WAITING, column_arrays(spans)) if spans else ():
            waiting[root_of[customer]].append(entries.from_row(entry))
        return {
            r.customer_id: CustomerHistory(
                r.customer_id,
                r.phone_number_id,
                tuple(sorted(conversations[r.customer_id].values(), key=lambda c: c.opened_at)),
                tuple(waiting[r.customer_id]),
            )
            for r in requests
        }

    def with_facts_from(self, ends: Mapping[ConversationId, datetime]) -> set[ConversationId]:
        """Returns the conversations that hold facts at or after the given times."""
        return {
            row[0]
            for row in self._rows(
                "select t.id from unnest(%b::uuid[], %b::timestamptz[]) as t (id, at) "
                "where exists (select from entries e where e.conversation_id = t.id and e.at >= t.at)",
                [list(ends), list(ends.values())],
            )
        }

    def conversations_with(self, facts: Collection[FactId]) -> set[ConversationId]:
        """Returns the conversations that hold these facts."""
        rows = self._rows(
            "select conversation_id from entries where input_id = any(%b::uuid[]) and conversation_id is not null",
            [list(facts)],
        )
        return {row[0] for row in rows}

    def facts_of(self, conversation: ConversationId) -> list[ConversationFact]:
        """Returns all stored facts of a conversation."""
        rows = self._rows(f"select {entries.READ_BACK} from entries e where e.conversation_id = %b", [conversation])
        return [entries.from_row(row) for row in rows]

    def due(self, now: datetime, limit: int) -> list[tuple[ConversationId, CustomerId]]:
        """Returns active conversations whose window is over at `now`, the longest over first. Takes no lock."""
        return list(
            self._rows(
                "select id, customer_id from conversations where status = 'a' and window_ends_at <= %b "
                "order by window_ends_at limit %b",
                [now, limit],
            )
        )

    def still_due(self, conversations: Collection[ConversationId], now: datetime) -> list[Conversation]:
        """Returns those of the conversations that are still due at `now`, read again under the lock."""
        rows = self._rows(
            f"select {columns.READ_BACK} from conversations c "
            "where c.id = any(%b::uuid[]) and c.status = 'a' and c.window_ends_at <= %b",
            [list(conversations), now],
        )
        return [columns.from_row(row) for row in rows]

    def read(self, conversations: Collection[UUID]) -> list[Conversation]:
        """Returns the conversations that exist, in the order of their ids."""
        rows = self._rows(
            f"select {columns.READ_BACK} from conversations c where c.id = any(%b::uuid[]) order by c.id",
            [list(conversations)],
        )
        return [columns.from_row(row) for row in rows]

    def _rows(self, statement: LiteralString, values: Sequence[Any]) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()


def _spans(
    request: HistoryRequest, conversations: Iterable[Conversation], members: Sequence[CustomerId]
) -> Iterator[Span]:
    """Yields when a waiting fact of the customer may find a conversation now: where the request says, and, if the
    customer was joined, within the conversations that they had as another customer. Never all that wait: a customer
    may have thousands of reactions that will never find one."""
    yield from request.spans
    if len(members) > 1:
        yield from ((c.opened_at - SKEW, c.window_ends_at) for c in conversations)


def _disjoint(spans: Iterable[Span]) -> list[Span]:
    """Returns spans that do not overlap and cover the same times."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


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
    f"select e.customer_id, {entries.READ_BACK} "
    "from unnest(%b::uuid[], %b::timestamptz[], %b::timestamptz[]) as t (customer_id, since, until) "
    "join entries e on e.customer_id = t.customer_id and e.conversation_id is null "
    "and e.at >= t.since and e.at < t.until and e.sent_at >= t.since"
)
