"""Facts: updates from outside, normalised (domain.md, Inputs). Each record on the inbound topic has one fact as its
value.

Each fact is stored once, with the sender's own time, and never rewritten. `at` is the time that the rules use: the
sender's, but never far ahead of its arrival (`domain.inbound.reading`). `sent_at` is the unchanged time of the sender;
together with `id` it recognises a repeat. Both are aware UTC.

Any client with write access to the topic can publish any bytes, so values that could not be indexed, published or read
back are rejected here: times outside the years 1970 to 9999, and ids and names that are too long.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from domain.arrival import MAX_ARRIVAL
from domain.ids import MAX_ID_LENGTH, FactId
from domain.messages.received import AdReferral, ReceivedMedia


def _in_utc(at: datetime) -> datetime:
    """Returns the time in the shared UTC zone. Comparing times that share a tzinfo object is ten times as fast, and
    pydantic creates one for each value."""
    return at.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime.max.replace(tzinfo=UTC)),
    AfterValidator(_in_utc),
]
"""A time in UTC that both Python and PostgreSQL can represent, also after subtracting a window."""

Arrival = Annotated[int, Field(ge=0, le=MAX_ARRIVAL)]
"""The order of arrival among facts of one time (`domain.arrival`)."""

ExternalId = Annotated[str, Field(max_length=MAX_ID_LENGTH)]
"""An id or name from outside, at most `MAX_ID_LENGTH` characters."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Party(_Part):
    """The customer as a sender named them, with at least one of the three ids. `group_id`: the conversations of a
    group, which are never mixed with the one-to-one conversations of its members. `name` is for display."""

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
    arrival: Arrival = 0
    customer: Party


class CustomerTurn(_CustomerFact):
    """A customer's message that opens or joins a conversation and moves its window. `is_reply`: the customer tapped a
    button or list row, whose id is `option_id`. `media`: the message's file; `quotes`: the wamid of the message that it
    replies to; `referral`: the advertisement that the customer came from. `extra`: the rest of the message, cleaned for
    storage."""

    kind: Literal["customer_turn"] = "customer_turn"
    type: ExternalId
    wamid: ExternalId
    text: str | None = None
    is_reply: bool = False
    option_id: ExternalId | None = None
    media: ReceivedMedia | None = None
    quotes: ExternalId | None = None
    referral: AdReferral | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class CustomerSignal(_CustomerFact):
    """A customer's update that does not move a window: reaction, system, unsupported, edit, revoke, unknown types,
    other call events, standby. `marks`: the wamid of the message that an edit, a revoke or a reaction names.
    `standby_turn`: a customer's turn that went to Meta's own AI. `unreadable`: a message that WhatsApp does not pass
    on, which may open a conversation (domain.md, Which conversation): `content` is one of a kind that carries content,
    `untyped` one without a kind, which may also be an edit or a deletion."""

    kind: Literal["customer_signal"] = "customer_signal"
    type: ExternalId
    wamid: ExternalId
    text: str | None = None
    marks: ExternalId | None = None
    standby_turn: bool = False
    unreadable: Literal["content", "untyped"] | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class HumanEcho(_CustomerFact):
    """What a colleague did in the phone app (`smb_message_echoes`). `is_word`: they wrote to the customer, which is
    human interaction; False for an edit, a deletion or a reaction. `media` and `quotes`: as for a customer's message.
    """

    kind: Literal["human_echo"] = "human_echo"
    type: ExternalId
    wamid: ExternalId
    text: str | None = None
    is_word: bool = True
    media: ReceivedMedia | None = None
    quotes: ExternalId | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class CustomerIdentityChanged(_CustomerFact):
    """Meta's report that `customer` has become `becomes`: a new number or a new business-scoped user id."""

    kind: Literal["customer_identity_changed"] = "customer_identity_changed"
    wamid: ExternalId
    text: str | None = None
    becomes: Party
    extra: dict[str, Any] = Field(default_factory=dict)


class ThreadControlPassed(_CustomerFact):
    """Meta's AI handed the customer over to people (`messaging_handovers` to escalation)."""

    kind: Literal["thread_control_passed"] = "thread_control_passed"
    extra: dict[str, Any] = Field(default_factory=dict)


class MessageStatus(_Fact):
    """The delivery status of an outgoing message. An unknown status becomes a `Notice` instead. `recipient` may be
    empty, `recipient_user_id` is their business-scoped id; `codes` are Meta's error codes, `code` the first of them;
    `pricing` is as Meta reports it; `callback`: the callback data of the message."""

    kind: Literal["message_status"] = "message_status"
    wamid: ExternalId
    recipient: ExternalId
    status: Annotated[str, Field(pattern="^(sent|delivered|read|played|failed)$")]
    code: int | None = None
    codes: tuple[int, ...] = ()
    recipient_user_id: ExternalId | None = None
    pricing: dict[str, Any] | None = None
    callback: Annotated[str, Field(max_length=512)] | None = None


class BotFact(_CustomerFact):
    session_id: ExternalId


class BotSessionStarted(BotFact):
    """The Softbot began a session with a customer."""

    kind: Literal["bot_session_started"] = "bot_session_started"


class BotMessage(BotFact):
    """The Softbot wrote to the customer."""

    kind: Literal["bot_message"] = "bot_message"
    text: str
    wamid: ExternalId | None = None


class MenuOption(_Part):
    """An option of a menu, as shown to the customer."""

    id: str
    title: str


class BotMenuShown(BotFact):
    """The Softbot showed a menu."""

    kind: Literal["bot_menu_shown"] = "bot_menu_shown"
    options: tuple[MenuOption, ...]


class BotChoice(BotFact):
    """A customer chose an option of the Softbot's menu. `skillset`: where the option leads, if Softbot reports it."""

    kind: Literal["bot_choice"] = "bot_choice"
    option_id: ExternalId
    skillset: ExternalId | None = None


class BotHandoff(BotFact):
    """The Softbot asked for an agent with a skillset."""

    kind: Literal["bot_handoff"] = "bot_handoff"
    skillset: ExternalId


class BotSessionEnded(BotFact):
    """The Softbot ended a session. `outcome`: Softbot's own text."""

    kind: Literal["bot_session_ended"] = "bot_session_ended"
    outcome: str | None = None


class AgentPresenceChanged(_Part):
    """A change of an agent's presence, reported by the agent desktop; the latest by `(at, id)` is used, and after
    one whose time lay in the future the next that arrives. `reason`: why the agent is in this state, in their words or
    those of the desktop; nothing depends on it."""

    kind: Literal["agent_presence_changed"] = "agent_presence_changed"
    id: FactId
    at: Moment
    sent_at: Moment
    agent_id: ExternalId
    state: Literal["ready", "paused", "offline"]
    reason: str | None = None


class AgentFact(_Part):
    """Base of the facts that the agent desktop reports about one conversation, named by `conversation_id`, or by
    `phone_number_id` and `customer`."""

    id: FactId
    at: Moment
    sent_at: Moment
    arrival: Arrival = 0
    agent_id: ExternalId
    conversation_id: UUID | None = None
    phone_number_id: ExternalId | None = None
    customer: Party | None = None


class AgentAccepted(AgentFact):
    """An agent accepted a conversation."""

    kind: Literal["agent_accepted"] = "agent_accepted"


class AgentMessage(AgentFact):
    """An agent wrote to the customer. `send_id`: the send by which this product posted the message, which Meta
    accepted; then `type` may be another than a text, `is_claim` is False if the writer becomes nobody's owner, and
    `written_at` is when they asked for it: it may have waited."""

    kind: Literal["agent_message"] = "agent_message"
    text: str
    wamid: ExternalId | None = None
    send_id: UUID | None = None
    type: ExternalId = "text"
    is_claim: bool = True
    written_at: Moment | None = None


class AgentDeclined(AgentFact):
    """An agent declined an offer."""

    kind: Literal["agent_declined"] = "agent_declined"
    note: str | None = None


class AgentClosed(AgentFact):
    """An agent closed a conversation. `outcome` and `note`: texts of the agent desktop and of the agent."""

    kind: Literal["agent_closed"] = "agent_closed"
    outcome: str | None = None
    note: str | None = None

    @property
    def is_explained(self) -> bool:
        """Whether the agent said how it ended."""
        return any(text is not None and text.strip() for text in (self.outcome, self.note))


class MessageFailed(_Part):
    """A message that this product sent and Meta had accepted did not reach the customer: it was no word to them.
    `marks`: its wamid."""

    kind: Literal["message_failed"] = "message_failed"
    id: FactId
    at: Moment
    sent_at: Moment
    arrival: Arrival = 0
    conversation_id: UUID
    phone_number_id: ExternalId
    customer: Party | None = None
    marks: ExternalId


class MarketingPreference(_Part):
    """A customer stopped marketing messages from a number, or wants them again (`wants`). The latest by `(at, id)` is
    used."""

    kind: Literal["marketing_preference"] = "marketing_preference"
    id: FactId
    at: Moment
    sent_at: Moment
    phone_number_id: ExternalId
    customer: Party
    wants: bool


PeoplePerDay = Annotated[int, Field(ge=1, lt=2**31)] | Literal["unlimited"]
"""How many people the templates of a business reach in 24 hours outside of a window."""


class _AccountFact(_Part):
    """Base of what Meta reports about an account, `entry[].id` (WABA). Of each thing the latest by `(at, id)` is
    used."""

    id: FactId
    at: Moment
    sent_at: Moment
    account_id: ExternalId


class TemplateChanged(_AccountFact):
    """Meta changed a template's status, quality or category. `value`: as Meta writes it; a status is the event that led
    to it, e.g. `PAUSED` or `REINSTATED`. `reason`: Meta's."""

    kind: Literal["template_changed"] = "template_changed"
    name: ExternalId
    language: ExternalId
    aspect: Literal["status", "quality", "category"]
    value: ExternalId
    reason: ExternalId | None = None


class NumberChanged(_AccountFact):
    """Meta changed the limits of a number, or flagged it because of its quality. `phone`: in digits, because Meta does
    not name its id; `event`: e.g. `THROUGHPUT_UPGRADE`, `FLAGGED`; `throughput`: messages a second."""

    kind: Literal["number_changed"] = "number_changed"
    phone: ExternalId
    event: ExternalId
    quality: ExternalId | None = None
    throughput: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    people_per_day: PeoplePerDay | None = None


class AccountChanged(_AccountFact):
    """Meta restricted an account or lifted the restriction, or changed its limit. `event`: e.g. `DISABLED_UPDATE`;
    `detail`: e.g. `REINSTATE`, or which rule was violated."""

    kind: Literal["account_changed"] = "account_changed"
    event: ExternalId
    detail: ExternalId | None = None
    people_per_day: PeoplePerDay | None = None


class Notice(_Part):
    """An update that is stored but does not belong to a conversation: account fields that nothing depends on, `errors`
    next to messages, messages of a `history` synchronisation, unknown fields. `account_id` is the `entry[].id`
    (WABA)."""

    kind: Literal["notice"] = "notice"
    id: FactId
    at: Moment
    sent_at: Moment
    account_id: ExternalId
    phone_number_id: ExternalId | None = None
    field: ExternalId
    body: Any


class MailEvent(_Part):
    """A mail event reported by SES. `type`: `sent`, `delivered`, `bounced`, `complained`, `failed`, or SES's own name
    of an event that changes nothing. `recipients`: the recipients that the event concerns; `reason`: SES's text."""

    kind: Literal["mail_event"] = "mail_event"
    id: FactId
    at: Moment
    sent_at: Moment
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
    | MessageFailed
)
"""The facts that belong to a customer's conversation."""

AccountFact = TemplateChanged | NumberChanged | AccountChanged
"""What Meta reports about our accounts, their numbers and templates."""

Fact = Annotated[
    ConversationFact
    | MessageStatus
    | AgentPresenceChanged
    | MailEvent
    | MarketingPreference
    | TemplateChanged
    | NumberChanged
    | AccountChanged
    | Notice,
    Field(discriminator="kind"),
]

FACT: TypeAdapter[Fact] = TypeAdapter(Fact)
"""Parses and serialises the value of an inbound record: `FACT.validate_json(value)`, `FACT.dump_json(fact)`."""


def partition_key(fact: Fact) -> str:
    """Returns the Kafka key, which keeps a customer's facts in order and on one consumer. For speed only: no rule
    depends on it."""
    match fact:
        case AgentPresenceChanged():
            return f"agent:{fact.agent_id}"
        case MessageStatus():
            return f"{fact.phone_number_id}:{fact.recipient or fact.wamid}"
        case MailEvent():
            return f"mail:{fact.mail_id}"
        case Notice() | TemplateChanged() | NumberChanged() | AccountChanged():
            return f"account:{fact.account_id}"
        case _:
            party = fact.customer
            if party is None:
                return f"conversation:{fact.conversation_id}" if isinstance(fact, AgentFact | MessageFailed) else ""
            return f"{fact.phone_number_id}:{party.group_id or party.wa_id or party.user_id}"
