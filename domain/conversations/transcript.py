"""The transcript of a conversation: all its messages and events in order of time (manual fact S11)."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from domain.conversations.reading_order import in_reading_order
from domain.facts import (
    AgentAccepted,
    AgentClosed,
    AgentDeclined,
    AgentMessage,
    BotChoice,
    BotHandoff,
    BotMenuShown,
    BotMessage,
    BotSessionEnded,
    BotSessionStarted,
    ConversationFact,
    CustomerIdentityChanged,
    CustomerSignal,
    CustomerTurn,
    HumanEcho,
    ThreadControlPassed,
)
from domain.ids import FactId

Speaker = Literal["customer", "bot", "agent", "system"]


class TranscriptItem(NamedTuple):
    """One message or event of a transcript.

    `kind`: the type of a message, or the name of an event, for example `menu.shown`. `text`: the text for readers, see
    `_content`. `status`: how far an outgoing message got. `agent_id`: the agent who acted, if the desktop reported it.
    `edited`, `deleted`: the customer did so later; the original text stays. `wamid`: Meta's id of a message; `extra`:
    the rest of it, see `domain.facts`."""

    id: FactId
    at: datetime
    speaker: Speaker
    kind: str
    text: str | None = None
    status: str | None = None
    agent_id: str | None = None
    edited: bool = False
    deleted: bool = False
    wamid: str | None = None
    extra: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class MessageDelivery:
    """How far an outgoing message got: the rank of its furthest success (0: none), the times of its last success and
    of its last failure."""

    rank: int
    succeeded_at: datetime | None
    failed_at: datetime | None

    @property
    def status(self) -> str | None:
        """A failure is final unless a later success, by Meta's own time, disproves it (webhooks.md, Statuses)."""
        if self.failed_at is not None and (self.succeeded_at is None or self.succeeded_at <= self.failed_at):
            return "failed"
        return _SUCCESSES[self.rank]


_SUCCESSES = (None, "sent", "delivered", "read", "played")


def transcript(
    facts: Iterable[ConversationFact],
    deliveries: Mapping[str, MessageDelivery],
    later_signals: Iterable[CustomerSignal] = (),
) -> list[TranscriptItem]:
    """Returns the transcript of a conversation's facts, in reading order.

    `deliveries`: by wamid. `later_signals`: signals outside this conversation that may edit or delete its messages."""
    facts = in_reading_order(facts)
    signals = (*(fact for fact in facts if isinstance(fact, CustomerSignal)), *later_signals)
    edited = {signal.marks for signal in signals if signal.type == "edit"}
    deleted = {signal.marks for signal in signals if signal.type == "revoke"}
    return [_item(fact, deliveries, edited, deleted) for fact in facts]


def _item(
    fact: ConversationFact,
    deliveries: Mapping[str, MessageDelivery],
    edited: Container[str | None],
    deleted: Container[str | None],
) -> TranscriptItem:
    speaker, kind, text = _content(fact)
    wamid = getattr(fact, "wamid", None)
    delivery = deliveries.get(wamid) if wamid and speaker in ("bot", "agent") else None
    by_customer = speaker == "customer" and wamid is not None
    return TranscriptItem(
        fact.id,
        fact.at,
        speaker,
        kind,
        text,
        delivery.status if delivery else None,
        getattr(fact, "agent_id", None),
        edited=by_customer and wamid in edited,
        deleted=by_customer and wamid in deleted,
        wamid=wamid,
        extra=getattr(fact, "extra", {}),
    )


def _content(fact: ConversationFact) -> tuple[Speaker, str, str | None]:  # noqa: PLR0912 - one branch per kind of fact
    """Returns speaker, kind and text of a fact. The text of a menu has one option per line; that of a choice is the
    option, of a hand-off the skillset, of a closing its outcome and note."""
    match fact:
        case CustomerTurn():
            return "customer", fact.type, fact.text
        case CustomerSignal():
            return ("system" if fact.type == "system" else "customer"), fact.type, fact.text
        case HumanEcho():
            return "agent", fact.type, fact.text
        case CustomerIdentityChanged():
            return "system", "identity.changed", fact.text
        case ThreadControlPassed():
            return "system", "thread_control.passed", None
        case BotSessionStarted():
            return "bot", "session.started", None
        case BotMessage():
            return "bot", "text", fact.text
        case BotMenuShown():
            return "bot", "menu.shown", "\n".join(f"{option.id} {option.title}" for option in fact.options)
        case BotChoice():
            return "bot", "choice.made", fact.option_id
        case BotHandoff():
            return "bot", "handoff.requested", fact.skillset
        case BotSessionEnded():
            return "bot", "session.ended", fact.outcome
        case AgentAccepted():
            return "agent", "conversation.accepted", None
        case AgentMessage():
            return "agent", "text", fact.text
        case AgentDeclined():
            return "agent", "conversation.declined", fact.note
        case AgentClosed():
            return "agent", "conversation.closed", " ".join(filter(None, (fact.outcome, fact.note))) or None
