"""Public events of a conversation: what it was told to be, one after the other, without gaps (interface.md).

What one input causes is told as a chain that ends with the event that names what the conversation now *is*:
`became_unmanaged`, `queued`, `reserved`, `assigned`, `managed`, or, once it is over, `closed`. So the last public event
does not depend on the order in which facts came (docs/decisions/0005).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from domain.conversations.conversation import Conversation
from domain.ids import FactId
from domain.mail import Mail

EventName = Literal[
    "opened",
    "became_unmanaged",
    "queued",
    "reserved",
    "assigned",
    "managed",
    "released",
    "closed",
    "reopened",
    "corrected",
    "mail.sent",
    "mail.delivered",
    "mail.bounced",
    "mail.complained",
    "mail.failed",
    "mail.unknown",
]


class PublicEvent(NamedTuple):
    """One public event, with the conversation as it was right then (its `sequence` is the event's). `actor`:
    `customer`, `bot`, `agent:<id>`, `app` (somebody on the phone app), `meta`, `clock`, `ses`, or a command's issuer.
    `mail`: the one that a `mail.` event tells of, as it was right then."""

    conversation: Conversation
    name: EventName
    at: datetime
    because: tuple[FactId, ...]
    actor: str
    mail: Mail | None = None


def event_names(before: Conversation | None, after: Conversation) -> Iterator[EventName]:
    """What is told of the step from `before` (None: it did not exist) to `after`; nothing if nothing public changed."""
    if _state(before) == _state(after):
        return
    told = list(_happened(before, after))
    yield from told
    name = _state_name(after)
    if name not in told:
        yield name


def _happened(before: Conversation | None, after: Conversation) -> Iterator[EventName]:
    if before is None:
        yield "opened"
    elif before.status == "closed" and after.status == "active":
        yield "reopened"
    elif before.status == "closed" and before.unmanaged and after.managed:
        yield "corrected"
    if before is not None and before.owner is not None and after.owner is None and after.status == "active":
        yield "released"
    if after.unmanaged and (before is None or before.reason != after.reason):
        yield "became_unmanaged"


def _state_name(conversation: Conversation) -> EventName:
    if conversation.status == "closed":
        return "closed"
    if conversation.unmanaged:
        return "became_unmanaged"
    if conversation.managed or conversation.owner is None:
        return "managed"
    match conversation.owner.state:
        case "queued" | "reserved" | "assigned" as state:
            return state
        case "accepted":
            return "managed"


def _state(conversation: Conversation | None) -> tuple[object, ...] | None:
    if conversation is None:
        return None
    owner = conversation.owner
    return (
        conversation.status,
        conversation.managed,
        conversation.reason,
        owner and (owner.kind, owner.id, owner.state),
    )
