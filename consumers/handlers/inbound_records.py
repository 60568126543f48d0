"""Reads the fact in a record of the inbound topic. Whatever is wrong with a record concerns that record alone."""

import re
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from domain.arrival import arrived_by
from domain.facts import (
    FACT,
    AgentAccepted,
    AgentClosed,
    AgentDeclined,
    AgentMessage,
    ConversationFact,
    Fact,
    MessageFailed,
)
from domain.inbound.reading import clamp, tolerance_of

_AgentFact = AgentAccepted | AgentMessage | AgentDeclined | AgentClosed | MessageFailed

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class UnreadableRecord(Exception):
    """A record that cannot be processed. The message names the field and holds no content."""


def read_fact(value: bytes, received_at: datetime) -> Fact:
    """Returns the fact of a record that the broker accepted at `received_at`. That is its time of arrival, because the
    clock of a webhook may be wrong: by a slow one every message would be old. Raises ValidationError,
    UnreadableRecord."""
    fact = FACT.validate_json(value)
    _require_storable(value)
    if isinstance(fact, ConversationFact) and not _names_somebody(fact):
        raise UnreadableRecord("customer: needs wa_id, user_id or group_id")
    corrected: dict[str, Any] = {}
    if (at := clamp(fact.sent_at, received_at, tolerance_of(fact))) != fact.at:
        corrected["at"] = at
    if isinstance(fact, ConversationFact) and (arrival := arrived_by(fact.arrival, received_at)) != fact.arrival:
        corrected["arrival"] = arrival
    return fact.model_copy(update=corrected) if corrected else fact


def why_unreadable(error: Exception) -> str:
    """Returns what `read_fact` complained about: the field and what is wrong with it, no content."""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "value"
        return f"{where}: {first['type']}"[:200]
    return str(error) if isinstance(error, UnreadableRecord) else type(error).__name__


def _names_somebody(fact: ConversationFact) -> bool:
    return names_customer(fact) or (isinstance(fact, _AgentFact) and fact.conversation_id is not None)


def names_customer(fact: ConversationFact) -> bool:
    """Returns whether a fact names a customer and the number, by which its conversation is found."""
    party = fact.customer
    if party is None or fact.phone_number_id is None:
        return False
    return party.wa_id is not None or party.user_id is not None or party.group_id is not None


def _require_storable(value: bytes) -> None:
    """Raises UnreadableRecord for what JSON can say and PostgreSQL cannot store."""
    if b"\\u0000" in value and _NUL.search(value):
        raise UnreadableRecord("value: contains NUL")
    if b"NaN" in value or b"Infinity" in value:
        try:
            from_json(value, allow_inf_nan=False)
        except ValueError:
            raise UnreadableRecord("value: contains a number that is none") from None
