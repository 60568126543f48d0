"""Facts: what the outside told us, normalised (domain.md, Inputs). The value of a record on the inbound topic is one.

Facts are kept once each, with the sender's own time, and never rewritten. `at` is the time the rules work with: the
sender's, but never later than five minutes after arrival. `sent_at` is the sender's as it came; with `id` it
recognises a repeat. Both are aware UTC.

Whoever may write to the topic may write anything there, so what could not be indexed, published or read back is refused
here: times outside 1970 to 9999, ids and names without measure.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from domain.ids import MAX_ID_LENGTH, FactId


def _in_utc(at: datetime) -> datetime:
    """Times of one zone compare ten times as fast as those of several, and pydantic gives each a zone of its own."""
    return at.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime.max.replace(tzinfo=UTC)),
    AfterValidator(_in_utc),
]
"""A time that Python and PostgreSQL both have, in UTC too, and that leaves room for a window before it."""

ExternalId = Annotated[str, Field(max_length=MAX_ID_LENGTH)]
"""An id from outside, or a name."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Party(_Part):
    """The customer as a sender named them; at least one of the three ids is there. `group_id` stands for a group's own
    thread, which is never mixed with the one-to-one thread of its members. `name` is for display."""

    wa_id: ExternalId | None = None
    user_id: ExternalId | None = None
    group_id: ExternalId | None = None
    name: ExternalId | None = None


class _Fact(_Part):
    id: FactId
    phone_number_id: ExternalId
    at: Moment
    sent_at: Moment


class _CustomerFact(_Fact):
    customer: Party


class CustomerTurn(_CustomerFact):
    """A message that counts: it opens or joins a conversation and moves the window. `is_reply`: a tapped button or
    list row, whose id is `option_id`. `extra`: what else the message held, cleaned for storage."""

    kind: Literal["customer_turn"] = "customer_turn"
    type: ExternalId
    wamid: ExternalId
    text: str | None = None
    is_reply: bool = False
    option_id: ExternalId | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class CustomerSignal(_CustomerFact):
    """Belongs to the transcript and changes nothing: reaction, system, unsupported, edit, revoke, unknown types, other
    call events, standby. `marks`: the wamid that an edit or a revoke speaks of. `standby_turn`: a customer's turn
    that went to Meta's own AI."""

    kind: Literal["customer_signal"] = "customer_signal"
    type: ExternalId
    wamid: ExternalId
    text: str | None = None
    marks: ExternalId | None = None
    standby_turn: bool = False
    extra: dict[str, Any] = Field(default_factory=dict)


class HumanEcho(_CustomerFact):
    """Somebody of the company answered from the phone app (`smb_message_echoes`): a human touch."""

    kind: Literal["human_echo"] = "human_echo"
    type: ExternalId
    wamid: ExternalId
    text: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class CustomerIdentityChanged(_CustomerFact):
    """Meta reports that `customer` is now `becomes` (a new number, a new business-scoped user id)."""

    kind: Literal["customer_identity_changed"] = "customer_identity_changed"
    wamid: ExternalId
    text: str | None = None
    becomes: Party
    extra: dict[str, Any] = Field(default_factory=dict)


class ThreadControlPassed(_CustomerFact):
    """Meta's AI gave up on this customer (`messaging_handovers` to escalation)."""

    kind: Literal["thread_control_passed"] = "thread_control_passed"
    extra: dict[str, Any] = Field(default_factory=dict)


class MessageStatus(_Fact):
    """What became of an outgoing message. A value of `status` that is new is a notice; `recipient` may be empty; `code`
    is Meta's error code."""

    kind: Literal["message_status"] = "message_status"
    wamid: ExternalId
    recipient: ExternalId
    status: Annotated[str, Field(pattern="^(sent|delivered|read|played|failed)$")]
    code: int | None = None


class _BotFact(_CustomerFact):
    session_id: ExternalId


class BotSessionStarted(_BotFact):
    kind: Literal["bot_session_started"] = "bot_session_started"


class BotMessage(_BotFact):
    kind: Literal["bot_message"] = "bot_message"
    text: str
    wamid: ExternalId | None = None


class MenuOption(_Part):
    id: str
    title: str


class BotMenuShown(_BotFact):
    kind: Literal["bot_menu_shown"] = "bot_menu_shown"
    options: tuple[MenuOption, ...]


class BotChoice(_BotFact):
    kind: Literal["bot_choice"] = "bot_choice"
    option_id: ExternalId
    skillset: ExternalId | None = None


class BotHandoff(_BotFact):
    kind: Literal["bot_handoff"] = "bot_handoff"
    skillset: ExternalId


class BotSessionEnded(_BotFact):
    kind: Literal["bot_session_ended"] = "bot_session_ended"
    outcome: str | None = None


class AgentPresenceChanged(_Part):
    """The agent desk says who can take a conversation; the latest by `(at, id)` wins."""

    kind: Literal["agent_presence_changed"] = "agent_presence_changed"
    id: FactId
    at: Moment
    sent_at: Moment
    agent_id: ExternalId
    state: Literal["ready", "paused", "offline"]


class _AgentFact(_Part):
    """From the agent desk, about one conversation: `conversation_id`, or a number and its customer."""

    id: FactId
    at: Moment
    sent_at: Moment
    agent_id: ExternalId
    conversation_id: UUID | None = None
    phone_number_id: ExternalId | None = None
    customer: Party | None = None


class AgentAccepted(_AgentFact):
    kind: Literal["agent_accepted"] = "agent_accepted"


class AgentMessage(_AgentFact):
    kind: Literal["agent_message"] = "agent_message"
    text: str
    wamid: ExternalId | None = None


class AgentDeclined(_AgentFact):
    kind: Literal["agent_declined"] = "agent_declined"
    note: str | None = None


class AgentClosed(_AgentFact):
    kind: Literal["agent_closed"] = "agent_closed"
    note: str | None = None


class Notice(_Part):
    """Kept and shown, part of no conversation: account fields, marketing preferences, `errors` beside the messages,
    messages of a `history` synchronisation, fields that are new. `account_id` is the `entry[].id` (WABA)."""

    kind: Literal["notice"] = "notice"
    id: FactId
    at: Moment
    sent_at: Moment
    account_id: ExternalId
    phone_number_id: ExternalId | None = None
    field: ExternalId
    body: Any


class MailEvent(_Part):
    """SES tells what became of a mail: `sent`, `delivered`, `bounced`, `complained`, `failed`, or in its own words what
    changes nothing. `recipients`: those it speaks of; `reason`: why, as SES says it."""

    kind: Literal["mail_event"] = "mail_event"
    id: FactId
    at: datetime
    sent_at: datetime
    mail_id: UUID
    type: str
    recipients: tuple[str, ...] = ()
    reason: str | None = None


ConversationFact = (
    CustomerTurn
    | CustomerSignal
    | HumanEcho
    | CustomerIdentityChanged
    | ThreadControlPassed
    | BotSessionStarted
    | BotMessage
    | BotMenuShown
    | BotChoice
    | BotHandoff
    | BotSessionEnded
    | AgentAccepted
    | AgentMessage
    | AgentDeclined
    | AgentClosed
)
"""What belongs to a customer's conversation."""

HumanTouch = HumanEcho | AgentAccepted | AgentMessage

Fact = Annotated[
    ConversationFact | MessageStatus | AgentPresenceChanged | MailEvent | Notice,
    Field(discriminator="kind"),
]

FACT: TypeAdapter[Fact] = TypeAdapter(Fact)
"""Reads and writes the value of an inbound record: `FACT.validate_json(value)`, `FACT.dump_json(fact)`."""


def partition_key(fact: Fact) -> str:
    """The Kafka key: a customer's facts stay in order and on one consumer. For speed only; no rule hangs on it."""
    match fact:
        case AgentPresenceChanged():
            return f"agent:{fact.agent_id}"
        case MessageStatus():
            return f"{fact.phone_number_id}:{fact.recipient or fact.wamid}"
        case MailEvent():
            return f"mail:{fact.mail_id}"
        case Notice():
            return f"account:{fact.account_id}"
        case _:
            party = fact.customer
            if party is None:
                return f"conversation:{fact.conversation_id}" if isinstance(fact, _AgentFact) else ""
            return f"{fact.phone_number_id}:{party.group_id or party.wa_id or party.user_id}"
