"""Commands: what an administrator asks for, believed only when signed (architecture.md, P7; interface.md, Kafka in).

`read_command` never raises and trusts no byte of what is not authentic. The checks come in the order of domain.md,
*Transfers*; the first that fits is the answer.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from domain.event_headers import event_headers
from domain.ports import OutgoingRecord
from domain.times import rfc3339

MAX_CLOCK_LEAD = timedelta(minutes=5)
MAX_LIFETIME = timedelta(hours=24)


class Rejection(StrEnum):
    """Why a command changes nothing. Promises: only ever added to."""

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


class _Body(BaseModel):
    """A key nobody knows is refused: a misspelt `expected_version` must not go unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_Id = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]
"""PostgreSQL keeps no NUL."""


class Target(_Body):
    kind: Literal["user", "skillset"]
    id: _Id


class Transfer(_Body):
    """Hand a conversation to a user or a skillset: `immediate`, now or not at all; `exclusive`, reserved (S10)."""

    conversation_id: UUID
    target: Target
    mode: Literal["immediate", "exclusive"]
    expected_version: int | None = Field(default=None, ge=0)
    batch_id: _Id | None = None


class Recall(_Body):
    """Take back what nobody accepted yet, or a mail that is still held. Exactly one of the two; `expected_version` is
    of a conversation."""

    conversation_id: UUID | None = None
    mail_command_id: _Id | None = None
    expected_version: int | None = Field(default=None, ge=0)

    def model_post_init(self, _: object) -> None:
        if (self.conversation_id is None) == (self.mail_command_id is None):
            raise ValueError("needs conversation_id or mail_command_id, not both")
        if self.mail_command_id is not None and self.expected_version is not None:
            raise ValueError("a mail has no expected_version")


class Email(_Body):
    """Forward a conversation (S12). `mask`: phone numbers; None: as the settings say. `hold_seconds`: until then the
    mail can be recalled."""

    conversation_id: UUID
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    subject: str
    body: str
    mask: bool | None = None
    hold_seconds: int = Field(default=0, ge=0, le=60)
    batch_id: _Id | None = None


CommandBody = Transfer | Recall | Email
"""What a command asks for."""

_TYPES: dict[str, type[CommandBody]] = {
    "witiop.command.transfer.v1": Transfer,
    "witiop.command.recall.v1": Recall,
    "witiop.command.email.v1": Email,
}


class CommandHead(NamedTuple):
    """The signed headers. `issuer` is a label that is audited, not a right."""

    id: str
    type: str
    source: str
    at: datetime
    issuer: str
    expires_at: datetime


class Command(NamedTuple):
    head: CommandHead
    body: CommandBody


def new_command(
    body: CommandBody, *, id_: str, source: str, issuer: str, at: datetime, expires_at: datetime
) -> Command:
    """A command that is not sent yet; its type follows from its body. Times: aware UTC."""
    (type_,) = (name for name, model in _TYPES.items() if isinstance(body, model))
    return Command(CommandHead(id_, type_, source, at, issuer, expires_at), body)


def signed(command: Command, topic: str, secret: bytes) -> OutgoingRecord:
    """The command as it stands on its topic, signed; key: what it is about (interface.md, Kafka in)."""
    head, body = command.head, command.body
    value = body.model_dump_json(exclude_none=True).encode()
    headers = event_headers(head.id, head.type, head.source, head.at)
    headers["witiop_issuer"] = head.issuer
    headers["witiop_expires"] = rfc3339(head.expires_at)
    headers["witiop_signature"] = signature(secret, headers, value)
    key = str(body.conversation_id or head.id)
    return OutgoingRecord(topic, key, value, tuple((name, text.encode()) for name, text in headers.items()))


class InvalidCommand(NamedTuple):
    """Not carried out before anything was looked at. `head` None: not authentic, nothing in it is believed. `what`: the
    field, for people."""

    reason: Rejection
    head: CommandHead | None
    what: str


_SIGNED = ("ce_id", "ce_type", "ce_source", "ce_time", "witiop_issuer", "witiop_expires")
_READ = (*_SIGNED, "witiop_signature")
_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def signature(secret: bytes, headers: dict[str, str], value: bytes) -> str:
    """`witiop_signature` over the six signed headers, each ended by LF, and the value."""
    signed = "\n".join([*map(headers.__getitem__, _SIGNED), ""]).encode() + value
    return "sha256=" + hmac.digest(secret, signed, "sha256").hex()


def read_command(
    headers: Sequence[tuple[str, bytes]], value: bytes, secrets: Sequence[bytes], now: datetime
) -> Command | InvalidCommand:
    """The command in a record, or why it is none. `now`: aware UTC."""
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
    """The signed headers, or the name of the one that fails."""
    if len({name for name, _ in headers}) != len(headers):
        return "a header stands twice"
    try:
        text = {name: content.decode() for name, content in headers if name in _READ}
    except UnicodeDecodeError:
        return "a header is no UTF-8"
    for name in _READ:
        content = text.get(name)
        if not content or "\n" in content or "\x00" in content or len(content) > 256:
            return name
    given = text["witiop_signature"].encode()
    if not any(hmac.compare_digest(signature(secret, text, value).encode(), given) for secret in secrets):
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
