"""The public contract: the messages on the topics, and those that the webhooks for Softbot and the agent desktop accept
(interface.md, Kafka out and in). `docs/events/` is generated from it.

Published messages may only gain properties that readers can ignore; accepted messages may only become more tolerant.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from domain import commands, facts
from domain.campaigns.document import CampaignEvent
from domain.command_bodies.campaigns import CAMPAIGN_TYPES, CreateCampaign, OptIn, OptOut, OptOutScope, StartCampaign
from domain.command_bodies.customers import EraseCustomer
from domain.command_bodies.directory import ChangeDirectory
from domain.command_bodies.parts import DismissedAs, TransferMode
from domain.commands import Rejection
from domain.contract.campaigns import PublishedCampaign
from domain.contract.published import Growing, Published
from domain.conversations.conversation import MAX_LAST_TEXT, OwnerKind, OwnerState, Status
from domain.conversations.events import EventName
from domain.conversations.reasons import Reason
from domain.inbound import agent_desk, softbot
from domain.opt_outs.document import OptOutEvent
from domain.opt_outs.opt_out import OPT_OUT_SOURCES
from domain.sending.document import SendEvent
from domain.topics import Topics
from domain.wishes.document import WISH_EVENTS
from domain.wishes.wish import WishEnd, WishState


class PublishedCustomer(Published):
    """The customer; unknown parts are null, and all of one who was erased."""

    wa_id: str | None
    """WhatsApp id: the phone number in digits."""
    user_id: str | None
    """Business-scoped user id."""
    name: str | None
    """The customer's last display name. Null for a group."""
    group_id: str | None = None
    """The group, if the conversation is a group's; it has no phone and no user id."""


class PublishedOwner(Published):
    """The user or skillset that has to act."""

    kind: OwnerKind
    id: str
    state: OwnerState
    until: AwareDatetime | None
    """When a reservation ends, an assignment that is not accepted, or an acceptance without a word to the customer."""


class PublishedRelease(Published):
    """The last time that the conversation was given back, handed over or parked."""

    at: AwareDatetime
    by: str
    """Issuer of the command."""
    note: str | None
    """For those who take it next."""


class PublishedDismissal(Published):
    """Somebody decided that nobody needs to answer the customer."""

    at: AwareDatetime
    by: str
    """Issuer of the command."""
    why: Annotated[str, Growing(get_args(DismissedAs))]
    note: str | None
    """For those who look at it later."""


class AnsweredCampaign(Published):
    """A campaign that the customer answered."""

    id: UUID
    name: str


class ConversationEvent(Published):
    """A conversation right after the event."""

    id: UUID
    phone_number_id: str
    """Meta's id of the business number."""
    customer: PublishedCustomer
    status: Status
    """`closed`: Meta's 24-hour window is over, or a bot or an agent ended the conversation."""
    reason: Annotated[Reason, Growing(Reason)] | None
    """Why the conversation is unmanaged; null: it is not unmanaged."""
    last_text: Annotated[str, Field(max_length=MAX_LAST_TEXT)] | None
    """The customer's last text, as it is after edits; null if the customer deleted it."""
    last_speaker: str | None = None
    """Of a group: who wrote the last text, by name, else by phone or user id."""
    last_at: AwareDatetime
    """Time of the customer's last message."""
    opened_at: AwareDatetime
    window_ends_at: AwareDatetime
    """End of Meta's 24-hour window: until then, messages to the customer need no template."""
    closed_at: AwareDatetime | None
    owner: PublishedOwner | None
    waits_since: AwareDatetime | None = None
    """The customer was answered and wrote again at that time; null: they wait for no reply."""
    reply_by: AwareDatetime | None = None
    """When the conversation goes to the list of unmanaged ones, with the reason `no_reply`, if nobody writes."""
    parked_until: AwareDatetime | None = None
    """The reservation is offered from that time on, or when the customer writes."""
    released: PublishedRelease | None = None
    """Set until somebody writes to the customer."""
    dismissed: PublishedDismissal | None = None
    """Set while the conversation is dismissed, and therefore neither managed nor unmanaged: until the customer writes
    again, somebody writes to the customer, or the dismissal is recalled."""
    entries: int
    """Number of entries in the transcript."""
    version: int
    """Number of changes of owner, status, managed and dismissed; a command's `expected_version` is compared with it."""
    sequence: int
    """Number of the event within the conversation, from 1; the same as `ce_sequence`."""
    because: tuple[UUID, ...]
    """Ids of the facts that led to the event."""
    actor: str
    """`customer`, `bot`, `agent:<id>`, `app` (a colleague who answered from the phone app), `meta`, `clock`, `ses`, or
    the issuer of a command."""
    note: str | SkipJsonSchema[None] = None
    """What the issuer of the command wrote about it; only present if they did."""
    first_word_at: AwareDatetime | None = None
    """When a human first wrote to the customer, as far as it was known then."""
    campaigns: tuple[AnsweredCampaign, ...] | SkipJsonSchema[None] = None
    """Campaigns that the customer answered in this conversation, the first answer first; only present if there are
    any."""


class PublishedMail(Published):
    """The mail of one `email` command."""

    id: UUID
    command_id: str
    """The command's `ce_id`."""
    reason: str | None
    """Why the mail failed or is unknown, as a text for people."""


class ConversationMailEvent(ConversationEvent):
    """A change of a mail that forwards a conversation, with the conversation right after it."""

    mail: PublishedMail


class PublishedSend(Published):
    """A message to a customer, right after the event."""

    id: UUID
    command_id: str
    """The `ce_id` of the command that asked for it."""
    conversation_id: UUID | None
    """The conversation that it answers; null: the customer had none."""
    phone_number_id: str
    kind: str
    """`text`, `image`, `video`, `audio`, `document`, `sticker`, `interactive`, `location`, `reaction` or `template`."""
    state: str
    attempt: int
    """Number of posts to Meta that began."""
    actor: str
    """Who asked for it."""
    requested_at: AwareDatetime
    wamid: str | None
    """Meta's id of the message; null: Meta has not accepted it."""
    error: int | None
    """Meta's error code, if it failed."""
    reason: str | None
    """Why it failed, waits or is unknown, as a text for people."""


class PublishedTarget(Published):
    """The user or skillset that shall get the conversation."""

    kind: OwnerKind
    id: str


class PublishedWish(Published):
    """A transfer on reply, right after the event."""

    id: UUID
    """The `deferred_id` of a recall."""
    command_id: str
    """The `ce_id` of the command that asked for it."""
    state: WishState
    """`executed` and `ended` are final."""
    ended_because: Annotated[str, Growing(get_args(WishEnd))] | None
    """Why it ended without a transfer."""
    conversation_id: UUID
    """The closed conversation for which it was asked."""
    phone_number_id: str
    executed_in: UUID | None
    """The conversation that the customer's answer opened, and that was transferred."""
    send_id: UUID
    """The message with the template."""
    target: PublishedTarget
    mode: TransferMode
    actor: str
    """Issuer of the command."""
    requested_at: AwareDatetime
    ends_at: AwareDatetime
    """An answer from then on is not transferred."""
    changed_at: AwareDatetime | None
    """When it was executed or ended."""


class PublishedAddress(Published):
    """The ids by which a customer was named; at least one is not null."""

    wa_id: str | None
    """WhatsApp id: the phone number in digits."""
    user_id: str | None
    """Business-scoped user id."""


class PublishedOptOut(Published):
    """A customer wants no messages that they did not ask for (`set`), or wants them again (`ended`)."""

    phone_number_id: str | None
    """The business number; null: all numbers."""
    customer: PublishedAddress
    scope: OptOutScope
    """`marketing`: templates of that category; `all`: all templates. Of an end: what ended."""
    source: Annotated[str, Growing(OPT_OUT_SOURCES)]
    """How it became known: `meta`, `keyword` (a word of the customer), `admin` (a command) or `import`."""
    at: AwareDatetime
    """When the customer said so, as far as it is known, else when somebody noted it."""
    actor: str
    """`customer`, `meta`, or who noted it."""
    wamid: str | None
    """The customer's message with the word; null: there is none."""


class CommandResult(Published):
    """The result of a command. Every new command has exactly one result."""

    command_id: str | None
    """The command's `ce_id`; null: the record was not authentic, and none of its content was used."""
    outcome: Literal["applied", "rejected"]
    reason: Annotated[Rejection, Growing(Rejection)] | None
    """Why the command was rejected; null: it was applied."""
    conversation_id: UUID | None
    version: int | None
    """The conversation's version afterwards, or the campaign's."""
    campaign_id: UUID | SkipJsonSchema[None] = None
    """The campaign that the command is about, or that it created; only present if there is one."""
    detail: str | SkipJsonSchema[None] = None
    """What is wrong with a message or a campaign, as a text for people; only present if there is more to say."""
    owner: PublishedOwner | SkipJsonSchema[None] = None
    """The current owner; only present if `reason` is `already_assigned`."""
    partition: int | SkipJsonSchema[None] = None
    """Partition of the record on the commands topic; only present if `command_id` is null."""
    offset: int | SkipJsonSchema[None] = None
    """Offset of the record on the commands topic; only present if `command_id` is null."""


@dataclass(frozen=True, slots=True)
class MessageType:
    """One kind of message. `name`: its `ce_type`, or the `kind` of a fact. `schema`: the name of the JSON Schema of its
    data, which several kinds may share. `beyond`: rules that the code checks beyond `data`, as a JSON Schema."""

    name: str
    data: type[BaseModel]
    schema: str
    beyond: dict[str, Any] = field(default_factory=dict)


Direction = Literal["published", "accepted"]
Transport = Literal["cloudevents-kafka", "kafka", "cloudevents-http"]


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic or the path of a webhook, with its messages. `description`: for readers; `key`: a description of the
    records' key; None: a webhook."""

    name: str
    address: str
    direction: Direction
    transport: Transport
    description: str
    key: str | None
    messages: tuple[MessageType, ...]


_RECALLED = ("conversation_id", "mail_command_id", "send_command_id", "deferred_id")
_RECALLS_ONE = {"oneOf": [{"required": [name]} for name in _RECALLED]}
_TO_ONE = {"oneOf": [{"required": ["conversation_id"]}, {"required": ["phone_number_id", "customer"]}]}
_NAMES_ONE = {"anyOf": [{"required": ["conversation_id"]}, {"required": ["phone_number_id", "customer"]}]}
_NAMED = {"properties": {"customer": {"anyOf": [{"required": ["wa_id"]}, {"required": ["user_id"]}]}}}
_ONE_PERSON = ({"required": ["customer_id"]}, {"required": ["phone"]})
_KIND = {"required": ["kind"]}
_CAMPAIGN_RULES: dict[type[BaseModel], dict[str, Any]] = {
    CreateCampaign: {"oneOf": [{"required": ["file"]}, {"required": ["customers"]}]},
    StartCampaign: {
        "if": {"properties": {"in_own_time": {"const": True}}, "required": ["in_own_time"]},
        "then": {"required": ["at"]},
    },
}
"""What the code checks beyond the bodies of commands about campaigns."""


def _published(name: str) -> MessageType:
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

SEQUENCE = (
    "Events of a conversation are numbered from 1. A number is missing only if its event is larger than the topic "
    "takes; a reader goes on with the next event, which holds the conversation's whole state."
)
"""What readers may conclude from `ce_sequence`."""

CHANNELS = (
    Channel(
        "conversations",
        _TOPICS.conversations,
        "published",
        "cloudevents-kafka",
        "Events of conversations and of the mails about them, published at least once: ce_id identifies an event, and "
        f"ce_sequence its place within the conversation. {SEQUENCE} After `witiop.conversation.erased.v1`, which names "
        "nobody, forget what else you have of that customer.",
        "the conversation's id",
        tuple(map(_published, get_args(EventName))),
    ),
    Channel(
        "commands",
        _TOPICS.commands,
        "accepted",
        "cloudevents-kafka",
        "Signed commands of administrators. Each new command has one result on the topic of results.",
        "the id of the conversation or campaign: its commands are carried out in their order",
        (
            MessageType("witiop.command.transfer.v1", commands.Transfer, "witiop.command.transfer.v1"),
            MessageType(
                "witiop.command.transfer_on_reply.v1", commands.TransferOnReply, "witiop.command.transfer_on_reply.v1"
            ),
            MessageType("witiop.command.recall.v1", commands.Recall, "witiop.command.recall.v1", _RECALLS_ONE),
            MessageType("witiop.command.release.v1", commands.Release, "witiop.command.release.v1"),
            MessageType("witiop.command.dismiss.v1", commands.Dismiss, "witiop.command.dismiss.v1"),
            MessageType("witiop.command.email.v1", commands.Email, "witiop.command.email.v1"),
            MessageType("witiop.command.send.v1", commands.SendMessage, "witiop.command.send.v1", _TO_ONE),
            MessageType("witiop.command.mark_read.v1", commands.MarkRead, "witiop.command.mark_read.v1"),
            MessageType("witiop.command.typing.v1", commands.Typing, "witiop.command.typing.v1"),
            MessageType("witiop.command.resolve.v1", commands.Resolve, "witiop.command.resolve.v1"),
            *(MessageType(name, body, name, _CAMPAIGN_RULES.get(body, {})) for name, body in CAMPAIGN_TYPES.items()),
            MessageType("witiop.command.opt_out.v1", OptOut, "witiop.command.opt_out.v1"),
            MessageType("witiop.command.opt_in.v1", OptIn, "witiop.command.opt_in.v1"),
            MessageType("witiop.command.erase.v1", EraseCustomer, "witiop.command.erase.v1", {"oneOf": [*_ONE_PERSON]}),
            MessageType("witiop.command.directory.v1", ChangeDirectory, "witiop.command.directory.v1"),
        ),
    ),
    Channel(
        "messages",
        _TOPICS.messages,
        "published",
        "cloudevents-kafka",
        "What becomes of messages to customers, and of transfers that wait for an answer to one, published at least "
        "once: ce_id identifies an event. Without the texts and the customers' ids.",
        "the conversation's id, otherwise number and address; only for speed",
        (
            *(MessageType(f"witiop.message.{n}.v1", PublishedSend, "witiop.message.v1") for n in get_args(SendEvent)),
            *(
                MessageType(f"witiop.transfer_on_reply.{name}.v1", PublishedWish, "witiop.transfer_on_reply.v1")
                for name in WISH_EVENTS
            ),
        ),
    ),
    Channel(
        "campaigns",
        _TOPICS.campaigns,
        "published",
        "cloudevents-kafka",
        "What becomes of campaigns, and who wants no messages that they did not ask for, published at least once: "
        "ce_id identifies an event. Without what people wrote.",
        "the campaign's id; of an opt-out number and address, only for speed",
        (
            *(
                MessageType(f"witiop.campaign.{name}.v1", PublishedCampaign, "witiop.campaign.v1")
                for name in get_args(CampaignEvent)
            ),
            *(
                MessageType(f"witiop.opt_out.{name}.v1", PublishedOptOut, "witiop.opt_out.v1")
                for name in get_args(OptOutEvent)
            ),
        ),
    ),
    Channel(
        "command-results",
        _TOPICS.results,
        "published",
        "cloudevents-kafka",
        "Results of commands.",
        "the id of the conversation or campaign, otherwise of the command, otherwise the record's partition and offset",
        (MessageType("witiop.command.result.v1", CommandResult, "witiop.command.result.v1"),),
    ),
    Channel(
        "inbound",
        _TOPICS.inbound,
        "accepted",
        "kafka",
        "Facts: the updates that webhooks received, normalised, one per record, and what happened here: what agents do "
        "on their page, messages that Meta accepted, and those that failed later. Other programs do not write here. "
        "Records are stored for 30 days, so every earlier format stays readable.",
        "number and customer, or a substitute where there is none; only for speed",
        _facts(),
    ),
    Channel(
        "softbot",
        "/webhooks/softbot",
        "accepted",
        "cloudevents-http",
        "Events that Softbot reports.",
        None,
        _received((name, kind.data) for name, kind in softbot.CONTRACT.items()),
    ),
    Channel(
        "agents",
        "/webhooks/agents",
        "accepted",
        "cloudevents-http",
        "Events that the agent desktop reports.",
        None,
        _received((name, kind.data) for name, kind in agent_desk.CONTRACT.items()),
    ),
)
