"""The transcript of a conversation: all its messages and events in order of time (manual fact S11)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from domain.conversations.evidence.message_changes import MessageChange, change_of
from domain.conversations.reading.reading_order import in_reading_order
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
    MessageFailed,
    Party,
    ThreadControlPassed,
)
from domain.ids import FactId
from domain.phone_numbers import phone_key

Speaker = Literal["customer", "bot", "agent", "system"]


class TranscriptItem(NamedTuple):
    """One message or event of a transcript.

    `kind`: the type of a message, or the name of an event, for example `menu.shown`. `text`: the text for readers, see
    `_content`. `status`: how far an outgoing message got. `agent_id`: the agent who acted, if the desktop reported it.
    `edited`, `deleted`: the customer did so later; the text is that of the last edit, and a deleted one has neither
    text nor `extra`. `wamid`: Meta's id of a message; `extra`: the rest of it, see `domain.facts`. `sender`: who of the
    customer's people wrote it: the member of a group, or one of several identities."""

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
    sender: Party | None = None


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
    changes: Mapping[str, MessageChange] | None = None,
    with_deleted: bool = False,
) -> list[TranscriptItem]:
    """Returns the transcript of a conversation's facts, in reading order.

    `deliveries`: by wamid. `changes`: what the customer did to messages of this and of other conversations afterwards,
    by wamid. They are shown in place: the message has its current text, and an edit or a deletion has an item of its
    own only if its message is not here. `with_deleted`: what the customer deleted keeps its text."""
    facts = in_reading_order(facts)
    known = dict(changes or {})
    for fact in facts:
        if (named := change_of(fact)) is not None:
            known[named[0]] = named[1].merged(known.get(named[0]))
    here = {fact.wamid for fact in facts if isinstance(fact, CustomerTurn | CustomerSignal | AgentMessage)}
    items = []
    for fact in facts:
        if (named := change_of(fact)) is None:
            change = known.get(getattr(fact, "wamid", None) or "", MessageChange())
            items.append(_item(fact, deliveries, change, with_deleted))
        elif named[0] not in here:
            item = _item(fact, deliveries, MessageChange(), with_deleted)
            items.append(item._replace(text=None) if known[named[0]].deleted and not with_deleted else item)
    return items


def senders(items: Iterable[TranscriptItem], group: bool) -> dict[FactId, str]:
    """Returns who wrote each item of the customer: name, and phone or user id. Empty if all are of one person and not
    of a `group`: then the conversation itself says who."""
    parties = {item.id: item.sender for item in items if item.sender is not None}
    phones = {phone_key(party.wa_id) for party in parties.values() if party.wa_id is not None}
    user_ids = {party.user_id for party in parties.values() if party.user_id is not None}
    if not group and len(phones) <= 1 and len(user_ids) <= 1:
        return {}
    return {
        item: " ".join(part for part in (party.name, party.wa_id or party.user_id) if part)
        for item, party in parties.items()
    }


def _item(
    fact: ConversationFact, deliveries: Mapping[str, MessageDelivery], change: MessageChange, with_deleted: bool
) -> TranscriptItem:
    speaker, kind, text = _content(fact)
    wamid = getattr(fact, "wamid", None)
    delivery = deliveries.get(wamid) if wamid and speaker in ("bot", "agent") else None
    by_customer = isinstance(fact, CustomerTurn | CustomerSignal)
    if by_customer:
        text = change._replace(deleted=change.deleted and not with_deleted).current(text)
    return TranscriptItem(
        fact.id,
        fact.at,
        speaker,
        kind,
        text,
        delivery.status if delivery else None,
        getattr(fact, "agent_id", None),
        edited=by_customer and change.edited is not None,
        deleted=by_customer and change.deleted,
        wamid=wamid,
        extra={} if by_customer and change.deleted and not with_deleted else getattr(fact, "extra", {}),
        sender=fact.customer if by_customer and speaker == "customer" else None,
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
            return "agent", fact.type, fact.text
        case MessageFailed():
            return "system", "message.failed", None
        case AgentDeclined():
            return "agent", "conversation.declined", fact.note
        case AgentClosed():
            return "agent", "conversation.closed", " ".join(filter(None, (fact.outcome, fact.note))) or None
