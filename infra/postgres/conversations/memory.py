"""The column `memory` of a conversation: evidence and decisions as JSON arrays, in the order of their fields. Only the
rules read it; queries address a few parts with `decision_path`.

A row that an earlier version wrote has fewer fields, and fact references without an arrival.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import from_json

from domain.conversations.conversation import (
    AgentClaim,
    BotSession,
    Decisions,
    Dismissed,
    Evidence,
    FactRef,
    GroupMember,
    Owner,
    Released,
    Route,
)
from domain.ids import FactId


class Memory(NamedTuple):
    """Evidence and decisions; None: nothing was decided yet."""

    evidence: Evidence
    decisions: Decisions | None = None


_MEMORY = TypeAdapter(Memory)
_UNDECIDED = Decisions()


def decision_path(field: str) -> list[str]:
    """Returns the JSON path of a field of the decisions, e.g. "declined_by"."""
    return [str(Memory._fields.index("decisions")), str(Decisions._fields.index(field))]


def to_json(evidence: Evidence, decisions: Decisions) -> str:
    """Returns the JSON of a conversation's evidence and decisions."""
    return _MEMORY.dump_json(Memory(evidence, None if decisions == _UNDECIDED else decisions)).decode()


def from_text(text: str) -> tuple[Evidence, Decisions]:
    """Returns evidence and decisions of the JSON."""
    # Converted by hand, which takes a third of the time of a validation: processing a fact reads at least one. Most
    # parts of a conversation are None.
    evidence, decisions = from_json(text)
    return (
        Evidence(*_converted(_EVIDENCE, evidence)),
        _UNDECIDED if decisions is None else Decisions(*_converted(_DECISIONS, decisions)),
    )


def _converted(readers: Sequence[Callable[[Any], Any]], parts: Sequence[Any]) -> list[Any]:
    return [None if part is None else read(part) for read, part in zip(readers, parts, strict=False)]


@lru_cache(maxsize=64)
def _fact_ref(at: str, arrival: int | str, fact: str | None = None) -> FactRef:
    # cached, because the latest turn of a conversation is usually also its last text and its last name
    if fact is None:
        return FactRef(datetime.fromisoformat(at), 0, FactId(UUID(str(arrival))))
    return FactRef(datetime.fromisoformat(at), int(arrival), FactId(UUID(fact)))


def _ref(part: Sequence[Any]) -> FactRef:
    return _fact_ref(*part)


def _refs(parts: Sequence[Any]) -> tuple[FactRef, ...]:
    return tuple(_fact_ref(*part) for part in parts)


def _ref_and_text(part: Sequence[Any]) -> tuple[FactRef, str]:
    return _fact_ref(*part[0]), part[1]


def _refs_and_texts(parts: Sequence[Any]) -> tuple[tuple[FactRef, str], ...]:
    return tuple((_fact_ref(*ref), text) for ref, text in parts)


def _claims(parts: Sequence[Any]) -> tuple[AgentClaim, ...]:
    return tuple(AgentClaim(agent, _fact_ref(*first), _fact_ref(*last)) for agent, first, last in parts)


def _route(part: Sequence[Any]) -> Route:
    return Route(_fact_ref(*part[0]), part[1])


def _sessions(parts: dict[str, Sequence[Any]]) -> dict[str, BotSession]:
    return {
        session: BotSession(_fact_ref(*began), ended and _fact_ref(*ended)) for session, (began, ended) in parts.items()
    }


def _members(parts: dict[str, Sequence[Any]]) -> dict[str, GroupMember]:
    return {key: GroupMember(_fact_ref(*ref), *named) for key, (ref, *named) in parts.items()}


def _time(part: str) -> datetime:
    return datetime.fromisoformat(part)


def _owner(part: Sequence[Any]) -> Owner:
    return Owner(part[0], part[1], part[2], part[3] and _time(part[3]))


def _declined_by(parts: Sequence[Any]) -> tuple[tuple[str, datetime], ...]:
    return tuple((agent, datetime.fromisoformat(at)) for agent, at in parts)


def _released(part: Sequence[Any]) -> Released:
    return Released(_fact_ref(*part[0]), part[1], part[2])


def _dismissed(part: Sequence[Any]) -> Dismissed:
    ref, why, by, note = part[:4]
    return Dismissed(_fact_ref(*ref), why, by, note)


def _text(part: str) -> str:
    return part


_EVIDENCE: tuple[Callable[[Any], Any], ...] = (
    _ref,  # first_turn
    _ref,  # last_turn
    _ref_and_text,  # last_text
    _ref,  # in_hours
    _route,  # route
    _ref,  # failed_choice
    _ref,  # touch
    _ref,  # agent_took
    _refs,  # agent_ends
    _sessions,  # sessions
    _ref_and_text,  # named
    _ref,  # first_of_last_second
    _ref,  # unreadable
    _ref,  # last_content
    _claims,  # claims
    _refs_and_texts,  # explained_ends
    _text,  # last_speaker
    _ref,  # last_word
    _members,  # members
    _ref,  # handed_over
)
_DECISIONS: tuple[Callable[[Any], Any], ...] = (
    _owner,  # owner
    _time,  # queued_at
    _ref,  # first_owned
    _text,  # last
    _ref,  # because
    _owner,  # returns_to
    _text,  # next_of
    _declined_by,  # declined_by
    _time,  # reserved_to
    _text,  # offered_to
    _time,  # claimable_from
    _released,  # released
    _time,  # parked_until
    _dismissed,  # dismissed
)
