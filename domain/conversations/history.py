"""The history of a conversation: its public events, as people read them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.conversations.conversation import OwnerKind
from domain.conversations.reasons import Reason


class HistoryEntry(NamedTuple):
    """One public event. `event`: its short name, for example `assigned`. `because`: ids of the facts that led to it.
    `owner`: kind and id of the owner at that moment. `command_id`: the command that led to it, if one did."""

    sequence: int
    at: datetime
    event: str
    reason: Reason | None
    because: Sequence[UUID]
    actor: str
    owner: tuple[OwnerKind, str] | None = None
    mail_id: UUID | None = None
    command_id: str | None = None
