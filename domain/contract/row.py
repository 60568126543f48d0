"""A row: the conversation as everybody outside sees it, in the list, in a transcript's head and in public events
(interface.md, A row). Keys are promises: they are only ever added to."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.conversations.conversation import Owner, Status
from domain.conversations.reasons import Reason
from domain.times import rfc3339


class Row(Protocol):
    """What a row shows: a `domain.conversations.conversation.Conversation`, or the columns that the list reads."""

    @property
    def id(self) -> UUID: ...
    @property
    def phone_number_id(self) -> str: ...
    @property
    def wa_id(self) -> str | None: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def customer_name(self) -> str | None: ...
    @property
    def status(self) -> Status: ...
    @property
    def reason(self) -> Reason | None: ...
    @property
    def last_text(self) -> str | None: ...
    @property
    def last_at(self) -> datetime: ...
    @property
    def opened_at(self) -> datetime: ...
    @property
    def window_ends_at(self) -> datetime: ...
    @property
    def closed_at(self) -> datetime | None: ...
    @property
    def owner(self) -> Owner | None: ...
    @property
    def entries(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def sequence(self) -> int: ...


def row_document(of: Row) -> dict[str, object]:
    """Plain JSON values; every key is always there."""
    return {
        "id": str(of.id),
        "phone_number_id": of.phone_number_id,
        "customer": {"wa_id": of.wa_id, "user_id": of.user_id, "name": of.customer_name},
        "status": of.status,
        "reason": of.reason and of.reason.value,
        "last_text": of.last_text,
        "last_at": rfc3339(of.last_at),
        "opened_at": rfc3339(of.opened_at),
        "window_ends_at": rfc3339(of.window_ends_at),
        "closed_at": of.closed_at and rfc3339(of.closed_at),
        "owner": of.owner and owner_document(of.owner),
        "entries": of.entries,
        "version": of.version,
        "sequence": of.sequence,
    }


def owner_document(of: Owner) -> dict[str, object]:
    """Who has to act, and until when if that ends by itself."""
    return {"kind": of.kind, "id": of.id, "state": of.state, "until": of.until and rfc3339(of.until)}
