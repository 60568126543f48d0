"""Names of things. Ids of derived things are UUIDs of their cause, so that a repeat meets itself.

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
"""Longest id kept as it is, in bytes; a B-tree key of PostgreSQL, of up to three ids, ends at 2,704."""


def fact_id(*natural_key: str) -> FactId:
    """The same natural key gives the same id; the parts cannot run into each other."""
    return FactId(_uuid5(_NAMESPACE, "\x1f".join(f"{len(part)}:{part}" for part in natural_key)))


def customer_id(phone_number_id: str, kind: str, value: str) -> CustomerId:
    """A customer is named after the first identity it was seen with, so two workers that see it first agree."""
    return CustomerId(_uuid5(_NAMESPACE, f"customer:{phone_number_id}:{kind}:{value}"))


def conversation_id(opened_at: datetime, cause: FactId) -> ConversationId:
    """UUIDv8: 48 bits milliseconds of `opened_at`, then the hash of `cause`."""
    milliseconds = max(0, int(opened_at.timestamp() * 1000)) & 0xFFFFFFFFFFFF
    tail = bytearray(hashlib.sha256(cause.bytes).digest()[:10])
    tail[0] = 0x80 | (tail[0] & 0x0F)
    tail[2] = 0x80 | (tail[2] & 0x3F)
    return ConversationId(UUID(bytes=milliseconds.to_bytes(6, "big") + bytes(tail)))


def event_id(conversation: ConversationId, sequence: int, event: str) -> EventId:
    """The n-th public event of a conversation has one id, however often it is published."""
    return EventId(_uuid5(conversation.bytes, f"{sequence}:{event}"))


def result_id(cause: str) -> EventId:
    """The result of a command, or of a record that was none, has one id, however often it is published."""
    return EventId(_uuid5(_NAMESPACE, f"result:{cause}"))


def _uuid5(namespace: bytes, name: str) -> UUID:
    """As `uuid.uuid5`, in half the time: each fact and each event takes one."""
    digest = hashlib.sha1(namespace + name.encode(), usedforsecurity=False).digest()
    return UUID(bytes=digest[:16], version=5)


def bounded_id(value: str) -> str:
    """An id from outside, short enough for an index: the long ones end in the hash of the whole."""
    encoded = value.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_ID_LENGTH:
        return value
    digest = hashlib.sha256(encoded).hexdigest()
    kept = encoded[: MAX_ID_LENGTH - len(digest) - 1].decode("utf-8", "ignore")
    return f"{kept}~{digest}"
