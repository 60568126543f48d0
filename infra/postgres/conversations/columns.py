"""Converts conversations to columns of their table and back, with one list of columns for writing and reading.

The column `memory` is in a module of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from domain.command_bodies.parts import DismissedAs
from domain.conversations.conversation import Conversation, Owner, OwnerKind, OwnerState, Status
from domain.conversations.reasons import Reason
from domain.ids import ConversationId, CustomerId, FactId
from domain.search import searched
from infra.postgres.connections.arrays import ColumnValues, uuid_array
from infra.postgres.conversations import memory

STATUS_CODES: dict[Status, str] = {"active": "a", "closed": "c"}
OWNER_KIND_CODES: dict[OwnerKind, str] = {"user": "u", "skillset": "s"}
OWNER_STATE_CODES: dict[OwnerState, str] = {"queued": "q", "reserved": "r", "assigned": "a", "accepted": "x"}
DISMISSED_CODES: dict[DismissedAs, str] = {"no_answer_needed": "n", "spam": "s", "duplicate": "d"}
STATUSES: dict[str, Status] = {code: status for status, code in STATUS_CODES.items()}
OWNER_KINDS: dict[str, OwnerKind] = {code: kind for kind, code in OWNER_KIND_CODES.items()}
OWNER_STATES: dict[str, OwnerState] = {code: state for state, code in OWNER_STATE_CODES.items()}
DISMISSED_AS: dict[str, DismissedAs] = {code: why for why, code in DISMISSED_CODES.items()}


class Column(NamedTuple):
    """A column of the table. `sent_as`: the type in which a statement sends its values; `value`: returns its value for
    a conversation; `cast`: the conversion from `sent_as` to the column's own type."""

    name: LiteralString
    sent_as: LiteralString
    value: Callable[[Conversation], object]
    cast: LiteralString = ""


def _owner_value(part: Callable[[Owner], object]) -> Callable[[Conversation], object]:
    return lambda c: None if c.decisions.owner is None else part(c.decisions.owner)


FIXED_COLUMNS: tuple[Column, ...] = (
    Column("customer_id", "uuid", lambda c: c.customer_id),
    Column("phone_number_id", "text", lambda c: c.phone_number_id),
    Column("previous", "uuid", lambda c: c.previous),
    Column("group_id", "text", lambda c: c.group_id),
)
"""Columns that never change; updates skip them."""

COLUMNS: tuple[Column, ...] = (
    *FIXED_COLUMNS,
    Column("id", "uuid", lambda c: c.id),
    Column("status", "text", lambda c: STATUS_CODES[c.status], '::"char"'),
    Column("unmanaged", "boolean", lambda c: c.unmanaged),
    Column("reason", "smallint", lambda c: c.reason.code if c.reason else None),
    Column("managed", "boolean", lambda c: c.managed),
    Column("opened_at", "timestamptz", lambda c: c.opened_at),
    Column("last_at", "timestamptz", lambda c: c.last_at),
    Column("window_ends_at", "timestamptz", lambda c: c.window_ends_at),
    Column("closed_at", "timestamptz", lambda c: c.closed_at),
    Column("owner_kind", "text", _owner_value(lambda owner: OWNER_KIND_CODES[owner.kind]), '::"char"'),
    Column("owner_id", "text", _owner_value(lambda owner: owner.id)),
    Column("owner_state", "text", _owner_value(lambda owner: OWNER_STATE_CODES[owner.state]), '::"char"'),
    Column("owner_until", "timestamptz", _owner_value(lambda owner: owner.until)),
    Column("queued_at", "timestamptz", lambda c: c.decisions.queued_at),
    Column("last_text", "text", lambda c: c.last_text),
    Column("last_speaker", "text", lambda c: c.last_speaker),
    Column("customer_name", "text", lambda c: c.customer_name),
    Column("wa_id", "text", lambda c: c.wa_id),
    Column("user_id", "text", lambda c: c.user_id),
    Column("search", "text", lambda c: _search(c)),  # noqa: PLW0108  # defined below
    Column("waits_since", "timestamptz", lambda c: c.waits_since),
    Column("reply_by", "timestamptz", lambda c: c.reply_by),
    Column("parked_until", "timestamptz", lambda c: c.parked_until),
    Column("released_at", "timestamptz", lambda c: c.released and c.released.ref.at),
    Column("released_by", "text", lambda c: c.released and c.released.by),
    Column("released_note", "text", lambda c: c.released and c.released.note),
    Column("dismissed_as", "text", lambda c: c.dismissed and DISMISSED_CODES[c.dismissed.why], '::"char"'),
    Column("dismissed_at", "timestamptz", lambda c: c.dismissed and c.dismissed.ref.at),
    Column("dismissed_by", "text", lambda c: c.dismissed and c.dismissed.by),
    Column("dismissed_note", "text", lambda c: c.dismissed and c.dismissed.note),
    Column("entries", "integer", lambda c: c.entries),
    Column("version", "integer", lambda c: c.version),
    Column("sequence", "integer", lambda c: c.sequence),
    Column("because", "text", lambda c: uuid_array(c.because), "::uuid[]"),
    Column("memory", "text", lambda c: memory.to_json(c.evidence, c.decisions), "::json"),
)


def _search(c: Conversation) -> str | None:
    """Returns the words by which the lists find a conversation. Only unmanaged and dismissed ones are searched."""
    if not c.unmanaged and c.dismissed is None:
        return None
    members = sorted(c.evidence.members.values())
    texts = [c.customer_name, c.last_text, *(member.name for member in members)]
    phones = [c.wa_id, *(member.wa_id for member in members)]
    ids = [c.user_id, c.group_id, str(c.id), *(member.user_id for member in members)]
    return searched(texts, phones, ids) or None


class _Stored(NamedTuple):
    """The columns from which a conversation is read. The others repeat parts of `memory` for lists and indexes."""

    id: ConversationId
    customer_id: CustomerId
    phone_number_id: str
    status: str
    reason: int | None
    managed: bool
    opened_at: datetime
    window_ends_at: datetime
    closed_at: datetime | None
    wa_id: str | None
    user_id: str | None
    entries: int
    version: int
    sequence: int
    previous: ConversationId | None
    group_id: str | None
    because: Sequence[FactId]
    waits_since: datetime | None
    reply_by: datetime | None
    dismissed_as: str | None
    memory: str


_READ_AS_TEXT = ("status", "dismissed_as", "memory")

READ_BACK: LiteralString = ", ".join(
    f"c.{column.name}::text" if column.name in _READ_AS_TEXT else f"c.{column.name}"
    for name in _Stored._fields
    for column in COLUMNS
    if column.name == name
)
"""The select list for `from_row`, of a table called `c`."""


def to_columns(conversations: Iterable[Conversation], columns: Sequence[Column] = COLUMNS) -> list[list[Any]]:
    """Returns the values of each column. There must be at least one conversation."""
    conversations = list(conversations)
    return [ColumnValues([column.value(c) for c in conversations]) for column in columns]


def from_row(row: Sequence[Any]) -> Conversation:
    """Returns the conversation of a row selected with `READ_BACK`."""
    stored = _Stored._make(row)
    evidence, decisions = memory.from_text(stored.memory)
    return Conversation(
        id=stored.id,
        customer_id=stored.customer_id,
        phone_number_id=stored.phone_number_id,
        status=STATUSES[stored.status],
        reason=None if stored.reason is None else Reason.of_code(stored.reason),
        managed=stored.managed,
        opened_at=stored.opened_at,
        window_ends_at=stored.window_ends_at,
        closed_at=stored.closed_at,
        wa_id=stored.wa_id,
        user_id=stored.user_id,
        entries=stored.entries,
        version=stored.version,
        sequence=stored.sequence,
        previous=stored.previous,
        group_id=stored.group_id,
        because=tuple(stored.because),
        waits_since=stored.waits_since,
        reply_by=stored.reply_by,
        evidence=evidence,
        decisions=decisions,
        dismissed=None if stored.dismissed_as is None else decisions.dismissed,
    )
