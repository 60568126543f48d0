"""Writes conversations, their facts, their history and the counters of the lists, for a whole batch at once.

Each method is a bounded number of statements over the whole batch with `unnest`, sorted by key, so that concurrent
writers take their locks in one order (architecture.md, P4 and P5).
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.conversations.events import PublicEvent
from domain.conversations.history import FactPlacement
from domain.facts import ConversationFact
from domain.ids import ConversationId, CustomerId
from infra.postgres.connections.arrays import column_arrays, uuid_array
from infra.postgres.conversations import columns, entries


class HandedOver(NamedTuple):
    """A conversation that belongs to another customer than before: `member`, who is joined into `root`."""

    conversation: ConversationId
    member: CustomerId
    root: CustomerId


class HistoryWriter:
    """Writes on one connection, inside the caller's transaction. Called by the unit of work, in its order. Raises
    psycopg errors."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def write_conversations(self, existing: Collection[Conversation], new: Collection[Conversation]) -> None:
        """Writes changed and new conversations. The changed ones first: only one conversation of a customer may be
        active, so one that closes makes room for its successor."""
        if existing:
            self._do(_UPDATE_CONVERSATIONS, columns.to_columns(sorted(existing, key=_by_id), _CHANGING))
        if new:
            self._do(INSERT_CONVERSATIONS, columns.to_columns(sorted(new, key=_by_id)))

    def write_entries(self, new: Iterable[tuple[CustomerId, FactPlacement]], adopted: Iterable[FactPlacement]) -> None:
        """Writes facts that were not stored before (`new`), and the conversation of stored facts that waited for one
        (`adopted`)."""
        rows = [(*entries.to_row(p.fact), customer, p.conversation) for customer, p in new]
        rows.sort(key=lambda row: row[0].int)
        if rows:
            self._do(
                "insert into entries "
                "(input_id, sent_at, at, arrival, kind, wamid, body, detail, customer_id, conversation_id) "
                "select input_id, sent_at, at, arrival, kind, wamid, body, detail::json, customer_id, conversation_id "
                "from unnest(%b::uuid[], %b::timestamptz[], %b::timestamptz[], %b::bigint[], %b::text[], %b::text[], "
                "%b::text[], %b::text[], %b::uuid[], %b::uuid[]) "
                "as t (input_id, sent_at, at, arrival, kind, wamid, body, detail, customer_id, conversation_id)",
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

    def write_arrivals(self, facts: Iterable[ConversationFact]) -> None:
        """Writes the arrival of stored facts of which an earlier copy came later."""
        rows = sorted(((f.id, f.sent_at, f.arrival) for f in facts), key=lambda row: row[0].int)
        if rows:
            self._do(
                "update entries e set arrival = t.arrival "
                "from unnest(%b::uuid[], %b::timestamptz[], %b::bigint[]) as t (input_id, sent_at, arrival) "
                "where e.input_id = t.input_id and e.sent_at = t.sent_at",
                column_arrays(rows),
            )

    def write_handed_over(
        self, conversations: Iterable[HandedOver], facts: Iterable[tuple[ConversationFact, CustomerId]]
    ) -> None:
        """Writes the customer of conversations and of single facts that belong to another one than before. Before the
        other conversations: the previous customer may get another active one."""
        rows = sorted(conversations, key=lambda row: row.conversation.int)
        if rows:
            arrays = column_arrays(rows)
            self._do(
                "insert into customers (id, merged_into) select member, root "
                "from unnest(%b::uuid[], %b::uuid[], %b::uuid[]) as t (conversation, member, root) order by 1 "
                "on conflict (id) do update set merged_into = excluded.merged_into",
                arrays,
            )
            self._do(
                "update conversations c set customer_id = t.member "
                "from unnest(%b::uuid[], %b::uuid[], %b::uuid[]) as t (conversation, member, root) "
                "where c.id = t.conversation",
                arrays,
            )
            self._do(
                "update entries e set customer_id = t.root "
                "from unnest(%b::uuid[], %b::uuid[], %b::uuid[]) as t (conversation, member, root) "
                "where e.conversation_id = t.conversation",
                arrays,
            )
        single = sorted(((f.id, f.sent_at, customer) for f, customer in facts), key=lambda row: row[0].int)
        if single:
            self._do(
                "update entries e set customer_id = t.customer_id, conversation_id = null "
                "from unnest(%b::uuid[], %b::timestamptz[], %b::uuid[]) as t (input_id, sent_at, customer_id) "
                "where e.input_id = t.input_id and e.sent_at = t.sent_at",
                column_arrays(single),
            )

    def write_history(self, events: Iterable[PublicEvent]) -> None:
        """Writes one history row per public event."""
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
                e.note,
                e.conversation.opened_at,
                e.conversation.evidence.touch.at if e.conversation.evidence.touch else None,
                e.conversation.dismissed and columns.DISMISSED_CODES[e.conversation.dismissed.why],
            )
            for e in sorted(events, key=lambda e: (e.conversation.id.int, e.conversation.sequence))
        ]
        if rows:
            self._do(
                "insert into history "
                "(conversation_id, sequence, at, event, reason, because, actor, owner_kind, owner_id, mail_id, note, "
                "opened_at, first_word_at, dismissed_as) "
                'select id, sequence, at, event, reason, because::uuid[], actor, owner_kind::"char", owner_id, '
                'mail_id, note, opened_at, first_word_at, dismissed_as::"char" '
                "from unnest(%b::uuid[], %b::integer[], %b::timestamptz[], %b::text[], %b::smallint[], %b::text[], "
                "%b::text[], %b::text[], %b::text[], %b::uuid[], %b::text[], %b::timestamptz[], %b::timestamptz[], "
                "%b::text[]) as t (id, sequence, at, event, reason, because, actor, owner_kind, owner_id, mail_id, "
                "note, opened_at, first_word_at, dismissed_as)",
                column_arrays(rows),
            )

    def count(self, before: Iterable[Conversation], after: Iterable[Conversation]) -> None:
        """Moves the counters of the unmanaged list. The last write of a transaction, sorted by key: many transactions
        update the same few rows."""
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

    def count_dismissed(self, before: Iterable[Conversation], after: Iterable[Conversation]) -> None:
        """Moves the counters of dismissed conversations. After `count`, sorted by key likewise."""
        moved: dict[tuple[str, str, str], int] = {}
        for conversations, step in ((before, -1), (after, 1)):
            for c in conversations:
                if c.dismissed is not None:
                    key = (c.phone_number_id, columns.STATUS_CODES[c.status], columns.DISMISSED_CODES[c.dismissed.why])
                    moved[key] = moved.get(key, 0) + step
        rows = sorted((*key, n) for key, n in moved.items() if n)
        if rows:
            self._do(
                "insert into dismissed_counts (phone_number_id, status, dismissed_as, n) "
                'select phone_number_id, status::"char", dismissed_as::"char", n '
                "from unnest(%b::text[], %b::text[], %b::text[], %b::bigint[]) "
                "as t (phone_number_id, status, dismissed_as, n) order by 1, 2, 3 "
                "on conflict (phone_number_id, status, dismissed_as) "
                "do update set n = dismissed_counts.n + excluded.n",
                column_arrays(rows),
            )

    def _do(self, statement: LiteralString, values: Sequence[Any]) -> None:
        self._connection.execute(statement, values)


def _by_id(conversation: Conversation) -> int:
    return conversation.id.int


_CHANGING = columns.COLUMNS[len(columns.FIXED_COLUMNS) :]


def _sent(sent: Sequence[columns.Column]) -> tuple[LiteralString, LiteralString, LiteralString]:
    """Returns `unnest(..)` of these columns, their names, and the expressions that cast them to the table's types."""
    arrays: LiteralString = ", ".join(f"%b::{column.sent_as}[]" for column in sent)
    names: LiteralString = ", ".join(column.name for column in sent)
    values: LiteralString = ", ".join(f"t.{column.name}{column.cast}" for column in sent)
    return f"unnest({arrays}) as t ({names})", names, values


def _insert_conversations() -> LiteralString:
    source, names, values = _sent(columns.COLUMNS)
    return f"insert into conversations ({names}) select {values} from {source}"


def _update_conversations() -> LiteralString:
    source, names, values = _sent(_CHANGING)
    return f"update conversations c set ({names}) = row ({values}) from {source} where c.id = t.id"


INSERT_CONVERSATIONS = _insert_conversations()

_UPDATE_CONVERSATIONS = _update_conversations()
