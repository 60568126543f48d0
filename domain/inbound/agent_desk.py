"""Events of the agent desktop (interface.md, *Softbot and agent desktop events*)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from domain.facts import AgentAccepted, AgentClosed, AgentDeclined, AgentMessage, AgentPresenceChanged, Fact
from domain.inbound.cloudevents import EventCustomer, EventData, EventText, EventType, Id, NumberId, read_events


class _Presence(EventData):
    agent_id: Id
    state: Literal["ready", "paused", "offline"]
    reason: EventText | None = None


class _OfConversation(EventData):
    """Data of an event that names a conversation by its id, or by its number and customer."""

    agent_id: Id
    conversation_id: UUID | None = None
    phone_number_id: NumberId | None = None
    customer: EventCustomer | None = None

    @model_validator(mode="after")
    def _names_a_conversation(self) -> "_OfConversation":
        if self.conversation_id is None and (self.phone_number_id is None or self.customer is None):
            raise PydanticCustomError("unnamed", "needs conversation_id, or phone_number_id and customer")
        return self


class _Message(_OfConversation):
    text: EventText
    wamid: Id | None = None


class _Noted(_OfConversation):
    note: EventText | None = None


class _Closed(_Noted):
    outcome: EventText | None = None


CONTRACT = {
    "witiop.agents.presence.changed.v1": EventType(_Presence, AgentPresenceChanged),
    "witiop.agents.conversation.accepted.v1": EventType(_OfConversation, AgentAccepted),
    "witiop.agents.message.sent.v1": EventType(_Message, AgentMessage),
    "witiop.agents.conversation.declined.v1": EventType(_Noted, AgentDeclined),
    "witiop.agents.conversation.closed.v1": EventType(_Closed, AgentClosed),
}
"""All event types that the agent desktop may send."""


def read_agent_desk(body: bytes, batch: bool, received_at: datetime) -> list[Fact]:
    """Returns the facts of one CloudEvent, or of a batch. Raises InvalidEvents if any event is invalid."""
    return read_events(body, batch, received_at, CONTRACT)
