"""The transcript: everything that was said and done in a conversation, for a person to read (manual fact S11)."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

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
from domain.times import rfc3339

Speaker = Literal["customer", "bot", "agent", "system"]


@dataclass(frozen=True, slots=True)
class MessageDelivery:
    """What became of an outgoing message: the `rank` of its furthest success (0: none), last success, last failure."""

    rank: int
    succeeded_at: datetime | None
    failed_at: datetime | None

    @property
    def status(self) -> str | None:
        """A failure is final unless a later success, by Meta's own time, proves otherwise (webhooks.md, Statuses)."""
        if self.failed_at is not None and (self.succeeded_at is None or self.succeeded_at <= self.failed_at):
            return "failed"
        return _SUCCESSES[self.rank]


_SUCCESSES = (None, "sent", "delivered", "read", "played")


def transcript(
    facts: Iterable[ConversationFact],
    deliveries: Mapping[str, MessageDelivery],
    later_signals: Iterable[CustomerSignal] = (),
) -> list[dict[str, object]]:
    """The items of interface.md in the order of their times. What the customer edited or took back stays, with
    `"edited": true` or `"deleted": true`; `later_signals` are those outside this conversation that may say so.
    `deliveries` by wamid. What an agent did has the `agent_id`, if the desk told it."""
    facts = sorted(facts, key=lambda fact: (fact.at, fact.id))
    signals = (*(fact for fact in facts if isinstance(fact, CustomerSignal)), *later_signals)
    edited = {signal.marks for signal in signals if signal.type == "edit"}
    deleted = {signal.marks for signal in signals if signal.type == "revoke"}
    return [_item(fact, deliveries, edited, deleted) for fact in facts]


def _item(
    fact: ConversationFact,
    deliveries: Mapping[str, MessageDelivery],
    edited: Container[str | None],
    deleted: Container[str | None],
) -> dict[str, object]:
    speaker, kind, text = _said(fact)
    wamid = getattr(fact, "wamid", None)
    delivery = deliveries.get(wamid) if wamid and speaker in ("bot", "agent") else None
    item: dict[str, object] = {
        "id": str(fact.id),
        "at": rfc3339(fact.at),
        "from": speaker,
        "kind": kind,
        "text": text,
        "status": delivery and delivery.status,
    }
    if agent_id := getattr(fact, "agent_id", None):
        item["agent_id"] = agent_id
    if speaker == "customer" and wamid:
        item |= {mark: True for mark, wamids in (("edited", edited), ("deleted", deleted)) if wamid in wamids}
    return item


def _said(fact: ConversationFact) -> tuple[Speaker, str, str | None]:  # noqa: PLR0912 - one branch a kind of fact
    """Who, what kind (the type of a message, the name of an event) and the words: of a menu its options, one a line, of
    a choice the option, of a hand-off the skillset, of an end its note."""
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
            return "agent", "conversation.closed", fact.note
