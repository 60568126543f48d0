"""Commands of administrators, accepted only with a valid signature (architecture.md, P7; interface.md, Kafka in).

`read_command` never raises, and uses no content of a record that is not authentic. Commands are checked in the order of
domain.md, *Transfers*; the first check that fails decides the rejection.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from domain.command_bodies.campaigns import CAMPAIGN_TYPES, CampaignBody, CampaignCommand, OptIn, OptOut
from domain.command_bodies.customers import EraseCustomer
from domain.command_bodies.directory import ChangeDirectory
from domain.command_bodies.parts import CommandPart, DismissedAs, NonEmptyId, Target, TransferMode
from domain.event_headers import event_headers
from domain.messages.outgoing import OutgoingMessage, TemplateMessage
from domain.ports import OutgoingRecord
from domain.times import rfc3339

MAX_CLOCK_LEAD = timedelta(minutes=5)
MAX_LIFETIME = timedelta(hours=24)
MAX_NOTE = 2000
"""Maximum length of a note, in characters."""
RULE_ISSUER = "rule:"
"""What the issuer of a rescue rule's commands begins with, before the id of the rule."""


class Rejection(StrEnum):
    """Reasons why a command is rejected and changes nothing. Public: new reasons may be added, none is removed."""

    NOT_AUTHENTIC = "not_authentic"
    MALFORMED = "malformed"
    EXPIRED = "expired"
    CONVERSATION_UNKNOWN = "conversation_unknown"
    CONVERSATION_CLOSED = "conversation_closed"
    VERSION_CONFLICT = "version_conflict"
    ALREADY_MANAGED = "already_managed"
    ALREADY_ASSIGNED = "already_assigned"
    USER_UNKNOWN = "user_unknown"
    SKILLSET_UNKNOWN = "skillset_unknown"
    USER_NOT_READY = "user_not_ready"
    USER_AT_CAPACITY = "user_at_capacity"
    NO_AGENT_READY = "no_agent_ready"
    WINDOW_CLOSING = "window_closing"
    NOTHING_TO_RECALL = "nothing_to_recall"
    ADDRESS_INVALID = "address_invalid"
    RECIPIENT_NOT_ALLOWED = "recipient_not_allowed"
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    TOO_LARGE = "too_large"
    SUBJECT_INVALID = "subject_invalid"
    SENDING_DISABLED = "sending_disabled"
    NOT_YOURS = "not_yours"
    WINDOW_CLOSED = "window_closed"
    TEMPLATE_UNKNOWN = "template_unknown"
    TEMPLATE_NOT_APPROVED = "template_not_approved"
    PARAMETERS_WRONG = "parameters_wrong"
    MEDIA_UNKNOWN = "media_unknown"
    CUSTOMER_WROTE_MEANWHILE = "customer_wrote_meanwhile"
    BSUID_NOT_POSSIBLE = "bsuid_not_possible"
    NOTHING_TO_RESOLVE = "nothing_to_resolve"
    CONVERSATION_OPEN = "conversation_open"
    ALREADY_PROMISED = "already_promised"
    OPTED_OUT = "opted_out"
    CAMPAIGN_UNKNOWN = "campaign_unknown"
    CAMPAIGN_STATE = "campaign_state"
    SECOND_PERSON_NEEDED = "second_person_needed"
    FILE_UNKNOWN = "file_unknown"
    NOTHING_TO_RETRY = "nothing_to_retry"
    NUMBER_UNKNOWN = "number_unknown"
    ALREADY_DISMISSED = "already_dismissed"
    RESTORE_NOT_READ = "restore_not_read"
    CUSTOMER_UNKNOWN = "customer_unknown"
    MAILS_DISABLED = "mails_disabled"


Note = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NOTE, pattern=r"^[^\x00]+$")]
"""What the issuer of a command writes about it, for people."""


class Transfer(CommandPart):
    """Transfers a conversation to a user or a skillset. `immediate`: rejected unless an agent is available now;
    `exclusive`: the conversation is reserved for the target for a limited time, at most until its window ends.
    `reserve_minutes`: for how long, by default as the installation's settings say."""

    conversation_id: UUID
    target: Target
    mode: TransferMode
    reserve_minutes: int | None = Field(default=None, ge=1, le=1440)
    expected_version: int | None = Field(default=None, ge=0)
    batch_id: NonEmptyId | None = None

    def model_post_init(self, _: object) -> None:
        if self.reserve_minutes is not None and self.mode != "exclusive":
            raise ValueError("reserve_minutes: only with mode exclusive")


class TransferOnReply(CommandPart):
    """Sends a template to the customer of a closed conversation, and transfers the conversation that the customer's
    answer opens. `holds_hours`: how long the transfer waits for the answer. An immediate transfer that nobody can take
    by then becomes an exclusive one to the same target."""

    conversation_id: UUID
    template: TemplateMessage
    target: Target
    mode: TransferMode
    holds_hours: int = Field(default=72, ge=1, le=720)
    batch_id: NonEmptyId | None = None


class Release(CommandPart):
    """Gives a conversation back, hands it over, parks it or takes it over: by its owner or an administrator, also when
    it is accepted or managed. Without `target` and `park_until` it goes back to the list. `mode`: as for a transfer, by
    default `exclusive`; `immediate` with the issuer as the target takes it over. `park_until`: it is reserved for the
    target, by default its owner, from that time on. `note`: for those who take it next."""

    conversation_id: UUID
    expected_version: int | None = Field(default=None, ge=0)
    target: Target | None = None
    mode: Literal["immediate", "exclusive"] | None = None
    park_until: AwareDatetime | None = None
    note: Note | None = None
    batch_id: NonEmptyId | None = None

    def model_post_init(self, _: object) -> None:
        if self.mode is not None and self.target is None:
            raise ValueError("mode: needs a target")
        if self.mode == "immediate" and self.park_until is not None:
            raise ValueError("mode: a conversation is parked exclusively, not immediately")


class Dismiss(CommandPart):
    """Takes an unmanaged conversation from the list, active or closed, because nobody needs to answer: until the
    customer writes again, or the dismissal is recalled. `note`: for those who look at it later; `expected_entries`: the
    number of entries that the conversation must still have, so that nothing is dismissed that nobody has seen."""

    conversation_id: UUID
    why: DismissedAs
    note: Note | None = None
    expected_entries: int | None = Field(default=None, ge=0)
    expected_version: int | None = Field(default=None, ge=0)
    batch_id: NonEmptyId | None = None


class Recall(CommandPart):
    """Recalls a transfer that is not accepted yet or a dismissal, gives back a conversation that the issuer has
    accepted and nobody has answered, recalls a mail that is still held or a message that Meta has not been asked to
    send, or cancels a transfer on reply (`deferred_id`). Has exactly one of `conversation_id`, `mail_command_id`,
    `send_command_id` and `deferred_id`; `expected_version` is only for a conversation."""

    conversation_id: UUID | None = None
    mail_command_id: NonEmptyId | None = None
    send_command_id: NonEmptyId | None = None
    deferred_id: UUID | None = None
    expected_version: int | None = Field(default=None, ge=0)

    def model_post_init(self, _: object) -> None:
        named = (self.conversation_id, self.mail_command_id, self.send_command_id, self.deferred_id)
        if sum(each is not None for each in named) != 1:
            raise ValueError("needs exactly one of conversation_id, mail_command_id, send_command_id and deferred_id")
        if self.conversation_id is None and self.expected_version is not None:
            raise ValueError("expected_version is only allowed with conversation_id")


class Email(CommandPart):
    """Forwards a conversation by mail. `mask`: whether phone numbers are masked; if missing, the settings decide.
    `notes`: whether the notes of colleagues are in it, which all recipients then read; if missing, they are not.
    `hold_seconds`: how long the mail waits before it is sent; it can be recalled until then. `expected_version`: that
    the conversation must still have."""

    conversation_id: UUID
    expected_version: int | None = Field(default=None, ge=0)
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    subject: str
    body: str
    mask: bool | None = None
    notes: bool | None = None
    hold_seconds: int = Field(default=0, ge=0, le=60)
    batch_id: NonEmptyId | None = None


class Customer(CommandPart):
    """A customer who is written to without naming a conversation."""

    wa_id: NonEmptyId | None = None
    user_id: NonEmptyId | None = None

    def model_post_init(self, _: object) -> None:
        if self.wa_id is None and self.user_id is None:
            raise ValueError("needs wa_id or user_id")


class SendMessage(CommandPart):
    """Sends a message to a customer, who is named by a conversation, or by the business number and an id. `reply_to`:
    the wamid of the message that it quotes; `expected_last`: the id or wamid of the customer's last message that the
    writer has seen, if the message must not be sent once the customer has written again; `expected_version`: that the
    named conversation must still have; `hold_seconds`: how long the message waits before it is sent; it can be recalled
    until then."""

    conversation_id: UUID | None = None
    expected_version: int | None = Field(default=None, ge=0)
    phone_number_id: NonEmptyId | None = None
    customer: Customer | None = None
    message: OutgoingMessage
    reply_to: NonEmptyId | None = None
    expected_last: NonEmptyId | None = None
    hold_seconds: int = Field(default=0, ge=0, le=60)
    batch_id: NonEmptyId | None = None

    def model_post_init(self, _: object) -> None:
        direct = self.phone_number_id is not None and self.customer is not None
        if (self.conversation_id is None) != direct or (self.phone_number_id is None) != (self.customer is None):
            raise ValueError("needs either conversation_id, or phone_number_id and customer")
        if self.expected_version is not None and self.conversation_id is None:
            raise ValueError("expected_version is only allowed with conversation_id")


class MarkRead(CommandPart):
    """Shows the customer that their messages were read. May be lost."""

    conversation_id: UUID


class Typing(CommandPart):
    """Shows the customer that somebody is writing, and that their messages were read. May be lost."""

    conversation_id: UUID


class Resolve(CommandPart):
    """Settles a send of which nobody knows whether the customer got it: it counts as sent, or it is sent again."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    send_id: UUID
    as_: Literal["assumed_sent", "send_again"] = Field(alias="as")

    @property
    def conversation_id(self) -> None:
        """None: a send is named by its own id."""


CommandBody = (
    Transfer
    | TransferOnReply
    | Release
    | Dismiss
    | Recall
    | Email
    | SendMessage
    | MarkRead
    | Typing
    | Resolve
    | CampaignCommand
    | OptOut
    | OptIn
    | ChangeDirectory
    | EraseCustomer
)
"""The body of a command; its class follows from the command's type."""

_TYPES: dict[str, type[CommandBody]] = {
    "witiop.command.transfer.v1": Transfer,
    "witiop.command.transfer_on_reply.v1": TransferOnReply,
    "witiop.command.release.v1": Release,
    "witiop.command.dismiss.v1": Dismiss,
    "witiop.command.recall.v1": Recall,
    "witiop.command.email.v1": Email,
    "witiop.command.send.v1": SendMessage,
    "witiop.command.mark_read.v1": MarkRead,
    "witiop.command.typing.v1": Typing,
    "witiop.command.resolve.v1": Resolve,
    **CAMPAIGN_TYPES,
    "witiop.command.opt_out.v1": OptOut,
    "witiop.command.opt_in.v1": OptIn,
    "witiop.command.directory.v1": ChangeDirectory,
    "witiop.command.erase.v1": EraseCustomer,
}


class CommandHead(NamedTuple):
    """The signed headers of a command. `issuer` is a label for the audit log; it grants no rights."""

    id: str
    type: str
    source: str
    at: datetime
    issuer: str
    expires_at: datetime


class Command(NamedTuple):
    """A command that was read from a record or is about to be sent."""

    head: CommandHead
    body: CommandBody


def new_command(
    body: CommandBody, *, id_: str, source: str, issuer: str, at: datetime, expires_at: datetime
) -> Command:
    """Returns a command to send; its type follows from its body. `at`, `expires_at`: aware UTC."""
    (type_,) = (name for name, model in _TYPES.items() if isinstance(body, model))
    return Command(CommandHead(id_, type_, source, at, issuer, expires_at), body)


def signed(command: Command, topic: str, secret: bytes) -> OutgoingRecord:
    """Returns the signed record of a command. Key: the id of its conversation or campaign, otherwise the command's
    (interface.md, Kafka in)."""
    head, body = command.head, command.body
    value = body.model_dump_json(exclude_none=True, by_alias=True).encode()
    headers = event_headers(head.id, head.type, head.source, head.at)
    headers["witiop_issuer"] = head.issuer
    headers["witiop_expires"] = rfc3339(head.expires_at)
    headers["witiop_signature"] = signature(secret, headers, value)
    about = body.campaign_id if isinstance(body, CampaignBody) else body.conversation_id
    key = str(about or head.id)
    return OutgoingRecord(topic, key, value, tuple((name, text.encode()) for name, text in headers.items()))


def read_body(type_: str, value: bytes) -> CommandBody:
    """Returns the body of a command that was valid when it was received."""
    return _TYPES[type_].model_validate_json(value)


class InvalidCommand(NamedTuple):
    """A record that is rejected without looking at a conversation. `head` None: the record is not authentic, and none
    of its content is used. `detail`: the field at fault, as a text for people."""

    reason: Rejection
    head: CommandHead | None
    detail: str


_SIGNED = ("ce_id", "ce_type", "ce_source", "ce_time", "witiop_issuer", "witiop_expires")
_READ = (*_SIGNED, "witiop_signature")
_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def signature(secret: bytes, headers: dict[str, str], value: bytes) -> str:
    """Returns `witiop_signature`: HMAC-SHA256 of the six signed headers, each followed by LF, and the value."""
    content = "\n".join([*map(headers.__getitem__, _SIGNED), ""]).encode() + value
    return "sha256=" + hmac.digest(secret, content, "sha256").hex()


def read_command(
    headers: Sequence[tuple[str, bytes]], value: bytes, secrets: Sequence[bytes], now: datetime
) -> Command | InvalidCommand:
    """Returns the command in a record, or why the record is not a valid command. `now`: aware UTC."""
    head = _authentic(headers, value, secrets, now)
    if isinstance(head, str):
        return InvalidCommand(Rejection.NOT_AUTHENTIC, None, head)
    model = _TYPES.get(head.type)
    if model is None:
        return InvalidCommand(Rejection.MALFORMED, head, f"ce_type: must be one of {', '.join(_TYPES)}")
    try:
        body = model.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))[:100] or "value"
        return InvalidCommand(Rejection.MALFORMED, head, f"{where}: {first['msg']}".replace("\x00", ""))
    if now >= head.expires_at:
        return InvalidCommand(Rejection.EXPIRED, head, "witiop_expires")
    return Command(head, body)


def _authentic(
    headers: Sequence[tuple[str, bytes]], value: bytes, secrets: Sequence[bytes], now: datetime
) -> CommandHead | str:
    """Returns the signed headers, or the name of the header at fault."""
    if len({name for name, _ in headers}) != len(headers):
        return "a header appears twice"
    try:
        text = {name: content.decode() for name, content in headers if name in _READ}
    except UnicodeDecodeError:
        return "a header is not UTF-8"
    for name in _READ:
        content = text.get(name)
        if not content or "\n" in content or "\x00" in content or len(content) > 256:
            return name
    provided = text["witiop_signature"].encode()
    if not any(hmac.compare_digest(signature(secret, text, value).encode(), provided) for secret in secrets):
        return "witiop_signature"
    try:
        at, expires_at = _TIME.validate_python(text["ce_time"]), _TIME.validate_python(text["witiop_expires"])
    except ValidationError:
        return "ce_time or witiop_expires"
    if at > now + MAX_CLOCK_LEAD:
        return "ce_time"
    if expires_at > at + MAX_LIFETIME:
        return "witiop_expires"
    return CommandHead(text["ce_id"], text["ce_type"], text["ce_source"], at, text["witiop_issuer"], expires_at)
