"""What the public events of a conversation say, kept so that their order and repetition do not matter."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.contract.channels import ConversationEvent


class ObservedOwner(NamedTuple):
    """The user or skillset that had to act at an event."""

    kind: str
    id: str


class ObservedEvent(NamedTuple):
    """One public event. `name`: its short name, e.g. `assigned`; `reason`: why the conversation was on the list right
    after it, None: it was not."""

    sequence: int
    at: datetime
    name: str
    reason: str | None
    owner: ObservedOwner | None
    actor: str


class Head(NamedTuple):
    """What the latest event says about the whole conversation. `first_word_at`: the first human word to the
    customer."""

    sequence: int
    opened_at: datetime
    first_word_at: datetime | None


class Observed(NamedTuple):
    """All that is known of a conversation. `events`: in the order of their sequence, without those about mails."""

    conversation_id: UUID
    phone_number_id: str
    head: Head
    events: tuple[ObservedEvent, ...] = ()


def observed(type_: str, at: datetime, event: ConversationEvent) -> Observed:
    """Returns what one public event says. `type_`: its `ce_type`; `at`: its `ce_time`."""
    _, room, name, _ = type_.split(".")
    owner = None if event.owner is None else ObservedOwner(event.owner.kind, event.owner.id)
    seen = ObservedEvent(event.sequence, at, name, event.reason, owner, event.actor)
    head = Head(event.sequence, event.opened_at, event.first_word_at)
    return Observed(event.id, event.phone_number_id, head, (seen,) if room == "conversation" else ())


def together(parts: Iterable[Observed]) -> Observed:
    """Returns what all the parts say about one conversation: at least one part. Any order and repetition of parts gives
    the same."""
    first, *others = parts
    head, events = first.head, {event.sequence: event for event in first.events}
    for part in others:
        head = max(head, part.head, key=lambda each: each.sequence)
        events.update((event.sequence, event) for event in part.events)
    return first._replace(head=head, events=tuple(events[sequence] for sequence in sorted(events)))
