"""What a fold takes and returns: the history of a customer, the context of the fold, and its result."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from domain.conversations.conversation import Conversation
from domain.conversations.customers.contact_ids import Called, as_named
from domain.conversations.events import PublicEvent
from domain.conversations.evidence.message_changes import MessageChange
from domain.conversations.ownership.deadlines import DEFAULT_ANSWER, AnswerPolicy
from domain.conversations.ownership.promises import Promise
from domain.directory import Directory
from domain.facts import ConversationFact
from domain.ids import ConversationId, CustomerId


class CustomerHistory(NamedTuple):
    """One customer and one number. `conversations`: those opened after the earliest new fact, and the one before.
    `waiting`: facts that no conversation covers yet. `changes`: what the customer did to their messages afterwards, by
    wamid."""

    customer_id: CustomerId
    phone_number_id: str
    conversations: tuple[Conversation, ...] = ()
    waiting: tuple[ConversationFact, ...] = ()
    changes: Mapping[str, MessageChange] = {}


class FoldContext(NamedTuple):
    """All that the rules of a fold depend on besides the history and the facts. `now`: when the input reached us (aware
    UTC). `watermark`: the time by which windows are judged, if that is not `now`. `answer`: how long an agent who
    accepted has until the first word. `called`: the ids by which the customer of a fact is reached now. `promise`: what
    was promised for the customer's next turn."""

    directory: Directory
    now: datetime
    watermark: datetime | None = None
    answer: AnswerPolicy = DEFAULT_ANSWER
    called: Called = as_named
    promise: Promise | None = None

    @property
    def judged_at(self) -> datetime:
        """The time by which windows are judged."""
        return self.watermark or self.now


class FactPlacement(NamedTuple):
    """A fact and the conversation it now belongs to; None: it waits with the customer."""

    fact: ConversationFact
    conversation: ConversationId | None


class FoldResult(NamedTuple):
    """The effect of a fact: the history afterwards, where facts were placed (the new one first), and the public
    events. `cut`: conversations whose end moved to an earlier time; if they hold facts from then on, see
    `domain.conversations.fold.settle`. `rechosen`: conversations whose facts shall be placed again in any case, because
    an edit made or changed a choice. `promise_kept_in`: the conversation about which the promise of the context
    decided."""

    history: CustomerHistory
    placements: tuple[FactPlacement, ...]
    events: tuple[PublicEvent, ...]
    cut: tuple[ConversationId, ...] = ()
    rechosen: tuple[ConversationId, ...] = ()
    promise_kept_in: ConversationId | None = None
