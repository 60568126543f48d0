"""Identifiers. Derived ids are UUIDs of their cause, so that duplicates get the same id on purpose.

A fact's id is `uuid5` of its natural key (webhooks.md: a message is `(phone_number_id, wamid)`, a status
`(wamid, status, recipient)`, a CloudEvent `(source, id)`); a conversation's id is a UUIDv8 whose first 48 bits are
the milliseconds of its opening, so that ids sort in time order.
"""

import hashlib
from datetime import datetime
from typing import NewType
from uuid import UUID

FactId = NewType("FactId", UUID)
CustomerId = NewType("CustomerId", UUID)
ConversationId = NewType("ConversationId", UUID)
EventId = NewType("EventId", UUID)

_NAMESPACE = UUID("5b6d3d7e-5a0c-5f0e-9c5e-0f1a4d2b7c11").bytes

MAX_ID_LENGTH = 256
"""Longest id that is stored unchanged, in bytes. A B-tree key of PostgreSQL, of up to three ids, has at most 2,704."""


def fact_id(*natural_key: str) -> FactId:
    """Returns the id of a fact. The same natural key gives the same id; the length of each part is included, so
    different parts never give the same id by concatenation."""
    return FactId(_uuid5(_NAMESPACE, "\x1f".join(f"{len(part)}:{part}" for part in natural_key)))


def customer_id(phone_number_id: str, kind: str, value: str) -> CustomerId:
    """Returns the id of a customer, derived from the first identity seen, so two workers that see it first agree."""
    return CustomerId(_uuid5(_NAMESPACE, f"customer:{phone_number_id}:{kind}:{value}"))


def conversation_id(opened_at: datetime, cause: FactId) -> ConversationId:
    """Returns a UUIDv8: 48 bits of `opened_at` in milliseconds, then the hash of `cause`."""
    tail = bytearray(hashlib.sha256(cause.bytes).digest()[:10])
    tail[0] = 0x80 | (tail[0] & 0x0F)
    tail[2] = 0x80 | (tail[2] & 0x3F)
    return ConversationId(UUID(bytes=_milliseconds(opened_at) + bytes(tail)))


def first_conversation_id(opened_at: datetime) -> ConversationId:
    """Returns an id that is lower than those of all conversations that were opened then or later, and higher than those
    of the earlier ones."""
    return ConversationId(UUID(bytes=_milliseconds(opened_at) + bytes(10)))


def _milliseconds(at: datetime) -> bytes:
    return (max(0, int(at.timestamp() * 1000)) & 0xFFFFFFFFFFFF).to_bytes(6, "big")


def event_id(conversation: ConversationId, sequence: int, event: str) -> EventId:
    """Returns the id of a conversation's n-th public event, the same however often the event is published."""
    return EventId(_uuid5(conversation.bytes, f"{sequence}:{event}"))


def result_id(cause: str) -> EventId:
    """Returns the id of the result of a command, or of a record that is not a command. The same however often the
    result is published."""
    return EventId(_uuid5(_NAMESPACE, f"result:{cause}"))


def _uuid5(namespace: bytes, name: str) -> UUID:
    """Returns the same as `uuid.uuid5`, in half the time: one is computed for every fact and every event."""
    digest = hashlib.sha1(namespace + name.encode(), usedforsecurity=False).digest()
    return UUID(bytes=digest[:16], version=5)


def bounded_id(value: str) -> str:
    """Returns an external id, short enough for an index: an id over `MAX_ID_LENGTH` is cut and ends in its full
    hash."""
    if len(value) <= MAX_ID_LENGTH // 4:  # a character has at most four bytes
        return value
    encoded = value.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_ID_LENGTH:
        return value
    digest = hashlib.sha256(encoded).hexdigest()
    prefix = encoded[: MAX_ID_LENGTH - len(digest) - 1].decode("utf-8", "ignore")
    return f"{prefix}~{digest}"
