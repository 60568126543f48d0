"""The public contract: what stands on the topics and what the webhooks of Softbot and the agent desk take, message by
message (interface.md, Kafka out and in). `docs/events/` is generated from it.

What we publish may only gain knowledge that a reader need not have; what we accept may only become more tolerant.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import SkipJsonSchema

from domain import commands, facts
from domain.commands import Rejection
from domain.conversations.conversation import MAX_LAST_TEXT, OwnerKind, OwnerState, Status
from domain.conversations.events import EventName
from domain.conversations.reasons import Reason
from domain.inbound import agent_desk, softbot
from domain.topics import Topics


class _Growing:
    """An enumeration that readers must expect to gain values."""

    def __init__(self, values: type[StrEnum]) -> None:
        self._values = values

    def __get_pydantic_json_schema__(self, _: object, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "x-extensible-enum": [value.value for value in self._values]}


class Published(BaseModel):
    """What we publish. Readers ignore properties that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class PublishedCustomer(Published):
    """The customer, as far as known."""

    wa_id: str | None
    """WhatsApp id: the phone number in digits."""
    user_id: str | None
    """Business-scoped user id."""
    name: str | None
    """As the customer last called themselves; for display."""


class PublishedOwner(Published):
    """Who has to act."""

    kind: OwnerKind
    id: str
    state: OwnerState
    until: AwareDatetime | None
    """When a reservation, or an assignment that nobody accepted, ends."""


class ConversationEvent(Published):
    """The conversation as it was right after the event."""

    id: UUID
    phone_number_id: str
    """The company's number, as Meta calls it."""
    customer: PublishedCustomer
    status: Status
    """`closed`: Meta's window is over, or a bot or an agent ended it."""
    reason: Annotated[Reason, _Growing(Reason)] | None
    """Why it is unmanaged; null: it is not."""
    last_text: Annotated[str, Field(max_length=MAX_LAST_TEXT)] | None
    """The customer's last text."""
    last_at: AwareDatetime
    """When the customer last wrote."""
    opened_at: AwareDatetime
    window_ends_at: AwareDatetime
    """Until then the company may write without a template."""
    closed_at: AwareDatetime | None
    owner: PublishedOwner | None
    entries: int
    """Of the transcript."""
    version: int
    """Counts changes of owner, status and managed; a command's `expected_version` is compared with it."""
    sequence: int
    """Counts the conversation's public events from 1, without gaps; the same as `ce_sequence`."""
    because: tuple[UUID, ...]
    """The facts that led to the event."""
    actor: str
    """`customer`, `bot`, `agent:<id>`, `app` (somebody on the phone app), `meta`, `clock`, `ses`, or the issuer of a
    command."""


class PublishedMail(Published):
    """One mail: what one `email` command asked for."""

    id: UUID
    command_id: str
    """The command's `ce_id`."""
    reason: str | None
    """Why it failed or is unknown, in words for people."""


class ConversationMailEvent(ConversationEvent):
    """What became of a mail with the conversation in it; the conversation as it was then."""

    mail: PublishedMail


class CommandResult(Published):
    """What became of a command: exactly one result for every new one."""

    command_id: str | None
    """The command's `ce_id`; null: the record was not authentic, and nothing in it is believed."""
    outcome: Literal["applied", "rejected"]
    reason: Annotated[Rejection, _Growing(Rejection)] | None
    """Why it changed nothing; null: applied."""
    conversation_id: UUID | None
    version: int | None
    """Of the conversation, afterwards."""
    owner: PublishedOwner | SkipJsonSchema[None] = None
    """Who has it; only there when `reason` is `already_assigned`."""
    partition: int | SkipJsonSchema[None] = None
    """Of the record on the commands topic; only there when `command_id` is null."""
    offset: int | SkipJsonSchema[None] = None
    """As `partition`."""


@dataclass(frozen=True, slots=True)
class MessageType:
    """One kind of message. `name`: its `ce_type`, or the `kind` of a fact. `schema`: the name of the JSON Schema of its
    data, which messages share. `beyond`: what the code checks and the type cannot say, as a JSON Schema."""

    name: str
    data: type[BaseModel]
    schema: str
    beyond: dict[str, Any] = field(default_factory=dict)


Direction = Literal["published", "accepted"]
Transport = Literal["cloudevents-kafka", "kafka", "cloudevents-http"]


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic, or the path of a webhook, and what stands on it. `key`: of a record, in words."""

    name: str
    address: str
    direction: Direction
    transport: Transport
    what: str
    key: str | None
    messages: tuple[MessageType, ...]


_ONE_OF_TWO = {"oneOf": [{"required": ["conversation_id"]}, {"required": ["mail_command_id"]}]}
_NAMES_ONE = {"anyOf": [{"required": ["conversation_id"]}, {"required": ["phone_number_id", "customer"]}]}
_NAMED = {"properties": {"customer": {"anyOf": [{"required": ["wa_id"]}, {"required": ["user_id"]}]}}}
_KIND = {"required": ["kind"]}


def _told(name: str) -> MessageType:
    if name.startswith("mail."):
        return MessageType(f"witiop.{name}.v1", ConversationMailEvent, "witiop.mail.v1")
    return MessageType(f"witiop.conversation.{name}.v1", ConversationEvent, "witiop.conversation.v1")


def _received(types: Iterable[tuple[str, type[BaseModel]]]) -> tuple[MessageType, ...]:
    return tuple(MessageType(name, data, name, _beyond(data)) for name, data in types)


def _beyond(data: type[BaseModel]) -> dict[str, Any]:
    named = _NAMED if "customer" in data.model_fields else {}
    return named | _NAMES_ONE if "conversation_id" in data.model_fields else named


def _facts() -> tuple[MessageType, ...]:
    kinds = get_args(get_args(facts.Fact)[0])
    named = sorted((kind.model_fields["kind"].default, kind) for kind in kinds)
    return tuple(MessageType(name, kind, f"witiop.inbound.{name}.v1", _KIND) for name, kind in named)


_TOPICS = Topics()

CHANNELS = (
    Channel(
        "conversations",
        _TOPICS.conversations,
        "published",
        "cloudevents-kafka",
        "What happens to conversations and to the mails about them. At least once: an event is known by its ce_id; the "
        "order of a conversation's events is that of ce_sequence, which has no gaps.",
        "the conversation's id",
        tuple(map(_told, get_args(EventName))),
    ),
    Channel(
        "commands",
        _TOPICS.commands,
        "accepted",
        "cloudevents-kafka",
        "What administrators ask for, signed. Each new command has one result on the results' topic.",
        "the conversation's id; for speed only",
        (
            MessageType("witiop.command.transfer.v1", commands.Transfer, "witiop.command.transfer.v1"),
            MessageType("witiop.command.recall.v1", commands.Recall, "witiop.command.recall.v1", _ONE_OF_TWO),
            MessageType("witiop.command.email.v1", commands.Email, "witiop.command.email.v1"),
        ),
    ),
    Channel(
        "command-results",
        _TOPICS.results,
        "published",
        "cloudevents-kafka",
        "What became of each command.",
        "the conversation's id; without one the command's, or partition and offset of the record",
        (MessageType("witiop.command.result.v1", CommandResult, "witiop.command.result.v1"),),
    ),
    Channel(
        "inbound",
        _TOPICS.inbound,
        "accepted",
        "kafka",
        "What the webhooks heard, normalised: one fact a record. Written by the webhooks alone; kept 30 days, so what "
        "was once written stays readable.",
        "number and customer, or what stands in for them; for speed only",
        _facts(),
    ),
    Channel(
        "softbot",
        "/webhooks/softbot",
        "accepted",
        "cloudevents-http",
        "What Softbot tells us.",
        None,
        _received((name, kind.data) for name, kind in softbot.CONTRACT.items()),
    ),
    Channel(
        "agents",
        "/webhooks/agents",
        "accepted",
        "cloudevents-http",
        "What the agent desk tells us.",
        None,
        _received((name, kind.data) for name, kind in agent_desk.CONTRACT.items()),
    ),
)
