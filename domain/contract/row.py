"""A row: the public form of a conversation, in the list, at the head of a transcript and in public events
(interface.md, A row). Keys are public: new ones may be added, none is removed."""

import unicodedata
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.conversations.conversation import Dismissed, Owner, Released, Status
from domain.conversations.reasons import Reason
from domain.times import rfc3339


class Row(Protocol):
    """The data of a row: a `domain.conversations.conversation.Conversation`, or the columns that the list reads."""

    @property
    def id(self) -> UUID: ...
    @property
    def phone_number_id(self) -> str: ...
    @property
    def wa_id(self) -> str | None: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def group_id(self) -> str | None: ...
    @property
    def customer_name(self) -> str | None: ...
    @property
    def status(self) -> Status: ...
    @property
    def reason(self) -> Reason | None: ...
    @property
    def last_text(self) -> str | None: ...
    @property
    def last_speaker(self) -> str | None: ...
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
    def waits_since(self) -> datetime | None: ...
    @property
    def reply_by(self) -> datetime | None: ...
    @property
    def parked_until(self) -> datetime | None: ...
    @property
    def released(self) -> Released | None: ...
    @property
    def dismissed(self) -> Dismissed | None: ...
    @property
    def entries(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def sequence(self) -> int: ...


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"})
"""Categories of Unicode whose characters are not seen on their own: controls, combining marks, spaces."""
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as nothing: fillers of Hangul, the empty Braille pattern."""


def visible_name(row: Row) -> str | None:
    """Returns the customer's name; None if there is none, or nothing of it can be seen."""
    name = row.customer_name or ""
    return name if any(char not in _BLANK and unicodedata.category(char) not in _UNSEEN for char in name) else None


def row_document(row: Row) -> dict[str, object]:
    """Returns a row as plain JSON values; every key is always present."""
    return {
        "id": str(row.id),
        "phone_number_id": row.phone_number_id,
        "customer": {
            "wa_id": row.wa_id,
            "user_id": row.user_id,
            "name": row.customer_name,
            "group_id": row.group_id,
        },
        "status": row.status,
        "reason": row.reason and row.reason.value,
        "last_text": row.last_text,
        "last_speaker": row.last_speaker,
        "last_at": rfc3339(row.last_at),
        "opened_at": rfc3339(row.opened_at),
        "window_ends_at": rfc3339(row.window_ends_at),
        "closed_at": row.closed_at and rfc3339(row.closed_at),
        "owner": row.owner and owner_document(row.owner),
        "waits_since": row.waits_since and rfc3339(row.waits_since),
        "reply_by": row.reply_by and rfc3339(row.reply_by),
        "parked_until": row.parked_until and rfc3339(row.parked_until),
        "released": row.released and _release_document(row.released),
        "dismissed": row.dismissed and _dismissal_document(row.dismissed),
        "entries": row.entries,
        "version": row.version,
        "sequence": row.sequence,
    }


def owner_document(owner: Owner) -> dict[str, object]:
    """Returns an owner as plain JSON values. `until`: when a reservation, an offer, or an acceptance without a
    word to the customer ends automatically; otherwise null."""
    return {"kind": owner.kind, "id": owner.id, "state": owner.state, "until": owner.until and rfc3339(owner.until)}


def _dismissal_document(dismissed: Dismissed) -> dict[str, object]:
    return {
        "at": rfc3339(dismissed.ref.at),
        "by": dismissed.by,
        "why": dismissed.why,
        "note": dismissed.note,
    }


def _release_document(released: Released) -> dict[str, object]:
    return {"at": rfc3339(released.ref.at), "by": released.by, "note": released.note}
