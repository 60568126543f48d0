"""What the analytics make of public events: read through the public contract, as from the topic."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from consumers.changes.public_events import public_event_record
from domain.contract.channels import ConversationEvent
from domain.conversations.events import PublicEvent
from domain.ids import fact_id
from domain.statistics.contribution import Contribution, contribution
from domain.statistics.observed import Head, Observed, ObservedEvent, ObservedOwner, observed, together
from domain.statistics.steps import Steps
from tests.support.stories import NUMBER, at

CONVERSATION = fact_id("a conversation")


def seen_in(event: PublicEvent) -> Observed:
    """Returns what an event says, as a reader of the topic gets it."""
    record = public_event_record(event, "topic")
    said = ConversationEvent.model_validate_json(record.value)
    return observed(record.headers["ce_type"], datetime.fromisoformat(record.headers["ce_time"]), said)


def conversation(*events: tuple[float, str, str | None, str | None, str], first_word: float | None = None) -> Observed:
    """A conversation that began at hour 0. `events`: minute, name, reason, owner (`user:anna`) and actor."""
    seen = []
    for place, (minute, name, reason, owner, actor) in enumerate(events, 1):
        by = ObservedOwner(*owner.split(":")) if owner else None
        seen.append(ObservedEvent(place, at(0) + timedelta(minutes=minute), name, reason, by, actor))
    word_at = None if first_word is None else at(0) + timedelta(minutes=first_word)
    return Observed(CONVERSATION, NUMBER, Head(len(seen), at(0), word_at), tuple(seen))


def counted(seen: Observed, zone: str = "UTC", steps: Steps | None = None) -> Contribution:
    """Returns what the conversation contributes."""
    return contribution(seen, zone, steps or Steps())


def counted_all(events: Iterable[PublicEvent]) -> dict[str, Contribution]:
    """Returns the contributions of all conversations of the events, by id."""
    parts: dict[str, list[Observed]] = {}
    for event in events:
        parts.setdefault(str(event.conversation.id), []).append(seen_in(event))
    return {id_: counted(together(of)) for id_, of in parts.items()}
