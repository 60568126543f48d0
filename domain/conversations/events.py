"""Public events of a conversation, numbered without gaps (interface.md).

The effect of one input is published as a chain of events. The last event of the chain names the current state of the
conversation: `became_unmanaged`, `queued`, `reserved`, `assigned`, `accepted`, `managed`, `dismissed`, or `closed` once
it is over. So the last public event does not depend on the order in which facts arrived (docs/decisions/0005). After
`erased` nothing follows: the customer was erased (`domain.conversations.erasure`).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from domain.command_bodies.parts import DismissedAs
from domain.conversations.conversation import Conversation, OwnerKind
from domain.conversations.reasons import Reason
from domain.ids import FactId
from domain.mail import Mail

EventName = Literal[
    "opened",
    "became_unmanaged",
    "queued",
    "reserved",
    "assigned",
    "accepted",
    "managed",
    "released",
    "closed",
    "reopened",
    "corrected",
    "customer_changed",
    "dismissed",
    "erased",
    "mail.sent",
    "mail.delivered",
    "mail.bounced",
    "mail.complained",
    "mail.failed",
    "mail.unknown",
]


class Cause(NamedTuple):
    """The cause of a change, as published in events: facts or commands, and the actor. `actor`: `customer`, `bot`,
    `agent:<id>`, `app` (a colleague who answered from the phone app), `meta`, `clock`, `ses`, or the issuer of a
    command. `note`: what the issuer wrote about it."""

    facts: tuple[FactId, ...]
    actor: str
    note: str | None = None


class PublicEvent(NamedTuple):
    """One public event, with the conversation right after it (whose `sequence` is the event's). `because` and `actor`:
    as in `Cause`. `mail`: the mail of a `mail.` event, right after the event. `note`: of its cause, if this is the
    first event of that."""

    conversation: Conversation
    name: EventName
    at: datetime
    because: tuple[FactId, ...]
    actor: str
    mail: Mail | None = None
    note: str | None = None


def event_names(
    before: Conversation | None, after: Conversation, contested: bool = False, customer_changed: bool = False
) -> Iterator[EventName]:
    """Yields the events to publish for the change from `before` (None: a new conversation) to `after`; none if the
    public state is the same. `contested`: an agent accepted what another one has; then the state is published in any
    case, so that their desktop learns who has it. `customer_changed`: its customer has another phone or user id, or is
    another one."""
    if _state(before) == _state(after) and not contested and not customer_changed:
        return
    names: list[EventName] = ["customer_changed"] if customer_changed else []
    names += _transitions(before, after)
    yield from names
    name = _state_name(after)
    if name not in names:
        yield name


def _transitions(before: Conversation | None, after: Conversation) -> Iterator[EventName]:
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
    if after.dismissed is not None and (before is None or before.dismissed != after.dismissed):
        yield "dismissed"


def _state_name(conversation: Conversation) -> EventName:
    if conversation.status == "closed":
        return "closed"
    if conversation.unmanaged:
        return "became_unmanaged"
    if conversation.dismissed is not None:
        return "dismissed"
    if conversation.managed or conversation.owner is None:
        return "managed"
    match conversation.owner.state:
        case "queued" | "reserved" | "assigned" | "accepted" as state:
            return state


def _state(conversation: Conversation | None) -> tuple[object, ...] | None:
    if conversation is None:
        return None
    owner = conversation.owner
    return (
        conversation.status,
        conversation.managed,
        conversation.reason,
        conversation.dismissed,
        owner and (owner.kind, owner.id, owner.state),
    )


class HistoryEntry(NamedTuple):
    """One public event of the history of a conversation, as people read it. `event`: its short name, for example
    `assigned`. `because`: ids of the facts that led to it.
    `owner`: kind and id of the owner at that moment. `command_id`: the command that led to it, if one did. `note`: what
    its issuer wrote. `dismissed_as`: why it is dismissed, right after the event."""

    sequence: int
    at: datetime
    event: str
    reason: Reason | None
    because: Sequence[UUID]
    actor: str
    owner: tuple[OwnerKind, str] | None = None
    mail_id: UUID | None = None
    command_id: str | None = None
    note: str | None = None
    dismissed_as: DismissedAs | None = None
