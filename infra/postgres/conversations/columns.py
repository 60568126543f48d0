"""A conversation as columns of its table, and back. `memory`: evidence and decisions as the rules need them again."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import from_json

from domain.conversations.conversation import (
    BotSession,
    Conversation,
    Decisions,
    Evidence,
    FactRef,
    OwnerKind,
    OwnerState,
    Route,
    Status,
)
from domain.conversations.reasons import Reason
from domain.ids import FactId
from infra.postgres.connections.arrays import column_arrays, uuid_array


class _Memory(NamedTuple):
    evidence: Evidence
    decisions: Decisions | None = None


_MEMORY = TypeAdapter(_Memory)
_DECISIONS = TypeAdapter(Decisions)
_ROUTE = TypeAdapter(Route)
_SESSIONS = TypeAdapter(dict[str, BotSession])
_UNDECIDED = Decisions()

STATUS_CODES: dict[Status, str] = {"active": "a", "closed": "c"}
OWNER_KIND_CODES: dict[OwnerKind, str] = {"user": "u", "skillset": "s"}
OWNER_STATE_CODES: dict[OwnerState, str] = {"queued": "q", "reserved": "r", "assigned": "a", "accepted": "x"}
_STATUSES = {code: status for status, code in STATUS_CODES.items()}

COLUMNS: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("customer_id", "uuid"),
    ("phone_number_id", "text"),
    ("previous", "uuid"),
    ("id", "uuid"),
    ("status", "text"),
    ("unmanaged", "boolean"),
    ("reason", "smallint"),
    ("managed", "boolean"),
    ("opened_at", "timestamptz"),
    ("last_at", "timestamptz"),
    ("window_ends_at", "timestamptz"),
    ("closed_at", "timestamptz"),
    ("owner_kind", "text"),
    ("owner_id", "text"),
    ("owner_state", "text"),
    ("owner_until", "timestamptz"),
    ("queued_at", "timestamptz"),
    ("last_text", "text"),
    ("customer_name", "text"),
    ("wa_id", "text"),
    ("user_id", "text"),
    ("entries", "integer"),
    ("version", "integer"),
    ("sequence", "integer"),
    ("because", "text"),
    ("memory", "text"),
)
"""Name and type of what a statement sends, in the order of `to_columns`; `because` as an array literal."""

FIXED = 3
"""The first so many never change: an update leaves them out."""

READ_BACK: LiteralString = (
    "c.id, c.customer_id, c.phone_number_id, c.status::text, c.reason, c.managed, c.opened_at, c.window_ends_at, "
    "c.closed_at, c.wa_id, c.user_id, c.entries, c.version, c.sequence, c.previous, c.because, c.memory::text"
)
"""What `from_row` takes, of a table called `c`."""


def to_columns(conversations: Iterable[Conversation]) -> list[list[Any]]:
    """One list a column."""
    return column_arrays(_row(c) for c in conversations)


def from_row(row: Sequence[Any]) -> Conversation:
    """The conversation as it was kept."""
    evidence, decisions = from_json(row[16])
    return Conversation(
        id=row[0],
        customer_id=row[1],
        phone_number_id=row[2],
        status=_STATUSES[row[3]],
        reason=None if row[4] is None else Reason.of_code(row[4]),
        managed=row[5],
        opened_at=row[6],
        window_ends_at=row[7],
        closed_at=row[8],
        wa_id=row[9],
        user_id=row[10],
        entries=row[11],
        version=row[12],
        sequence=row[13],
        previous=row[14],
        because=tuple(row[15]),
        evidence=_evidence(evidence),
        decisions=_UNDECIDED if decisions is None else _DECISIONS.validate_python(decisions),
    )


@lru_cache(maxsize=64)
def _mark(at: str, fact: str) -> FactRef:
    """Cached, because a conversation's latest turn is its last text and its last name too."""
    return FactRef(datetime.fromisoformat(at), FactId(UUID(fact)))


def _evidence(parts: Sequence[Any]) -> Evidence:
    """The evidence from its JSON. What most conversations have is read by hand: every fact reads one, and it takes a
    third of the time of a validation."""
    (
        first_turn,
        last_turn,
        last_text,
        in_hours,
        route,
        failed_choice,
        touch,
        agent_took,
        agent_ends,
        sessions,
        named,
    ) = parts
    return Evidence(
        first_turn and _mark(*first_turn),
        last_turn and _mark(*last_turn),
        last_text and (_mark(*last_text[0]), last_text[1]),
        in_hours and _mark(*in_hours),
        route and _ROUTE.validate_python(route),
        failed_choice and _mark(*failed_choice),
        touch and _mark(*touch),
        agent_took and _mark(*agent_took),
        tuple(_mark(*end) for end in agent_ends),
        _SESSIONS.validate_python(sessions) if sessions else {},
        named and (_mark(*named[0]), named[1]),
    )


def _memory(c: Conversation) -> str:
    decisions = None if c.decisions == _UNDECIDED else c.decisions
    return _MEMORY.dump_json(_Memory(c.evidence, decisions)).decode()


def _row(c: Conversation) -> tuple[Any, ...]:
    owner = c.owner
    return (
        c.customer_id,
        c.phone_number_id,
        c.previous,
        c.id,
        STATUS_CODES[c.status],
        c.unmanaged,
        c.reason.code if c.reason else None,
        c.managed,
        c.opened_at,
        c.last_at,
        c.window_ends_at,
        c.closed_at,
        OWNER_KIND_CODES[owner.kind] if owner else None,
        owner.id if owner else None,
        OWNER_STATE_CODES[owner.state] if owner else None,
        owner.until if owner else None,
        c.decisions.queued_at,
        c.last_text,
        c.customer_name,
        c.wa_id,
        c.user_id,
        c.entries,
        c.version,
        c.sequence,
        uuid_array(c.because),
        _memory(c),
    )
