"""Which sends are accepted: the checks of a `send` command, in their order (docs/design/sending.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID

from domain.command_bodies.campaigns import OptOutScope
from domain.commands import Rejection, SendMessage
from domain.conversations.conversation import Conversation
from domain.conversations.ownership.claims import holder_at
from domain.conversations.placement.window import WINDOW
from domain.ids import fact_id
from domain.messages.outgoing import OutgoingMessage, graph_content, shown_text
from domain.opt_outs.opt_out import concerns
from domain.phone_numbers import phone_key
from domain.sending.sends import DELIVERED_WITHIN, AddressKind, Lane, Send, send_id, upload_in
from domain.sending.templates import Template, WrongParameters, fill

DEFAULT_EXPIRY = timedelta(hours=24)
"""A send that waits longer than this is not posted: nobody expects it any more."""


@dataclass(frozen=True, slots=True)
class SendingPolicy:
    """The installation's rules for sending. `enabled`: off by default; `allowed_to`: the only phones that may be
    written to, in digits; empty: all."""

    enabled: bool = False
    allowed_to: frozenset[str] = frozenset()

    def allows(self, kind: AddressKind, address: str) -> bool:
        """Returns whether something may be sent to this address."""
        if not self.allowed_to:
            return True
        return kind == "phone" and phone_key(address) in {phone_key(phone) for phone in self.allowed_to}


class Upload(NamedTuple):
    """A file that was uploaded to be sent. `kind`: image, video, audio, document or sticker."""

    id: UUID
    kind: Literal["image", "video", "audio", "document", "sticker"]
    file_name: str


class Library(Protocol):
    """What a message may refer to."""

    def template(self, phone_number_id: str, name: str, language: str) -> Template | None: ...

    def upload(self, upload_id: UUID) -> Upload | None: ...

    def opt_out_of(self, to: "Recipient") -> OptOutScope | None:
        """Returns which messages the customer does not want from the number; None: they want them."""
        ...


class Recipient(NamedTuple):
    """The customer to whom a message goes. `customer_id`: None if nobody has written from this address yet;
    `last_turn_at`: of all their conversations with the number; `conversation`: the one that is answered."""

    phone_number_id: str
    wa_id: str | None
    user_id: str | None
    group_id: str | None
    customer_id: UUID | None = None
    last_turn_at: datetime | None = None
    conversation: Conversation | None = None

    @property
    def address(self) -> tuple[AddressKind, str]:
        """The phone if it is known: writing to it keeps Meta from hiding it."""
        if self.group_id is not None:
            return "group", self.group_id
        if self.wa_id:
            return "phone", self.wa_id
        return "user_id", self.user_id or ""

    def has_window(self, now: datetime) -> bool:
        return self.last_turn_at is not None and now < self.last_turn_at + WINDOW


def recipient_of(conversation: Conversation) -> Recipient:
    """Returns the customer of a conversation, without when they wrote to the number last."""
    ids = conversation.wa_id, conversation.user_id, conversation.group_id
    return Recipient(
        conversation.phone_number_id, *ids, customer_id=conversation.customer_id, conversation=conversation
    )


def may_finish(conversation: Conversation, agent: str, now: datetime) -> bool:
    """Whether the conversation's window ended while the agent had it, less than a window ago: they may read it and send
    a template."""
    ends = conversation.window_ends_at
    by_window = conversation.closed_at is not None and conversation.closed_at >= ends
    return by_window and now < ends + WINDOW and holder_at(conversation, ends) == agent


class RefusedSend(NamedTuple):
    """Why a send is not accepted. `detail`: what is wrong with it and what would be right, as a text for people."""

    rejection: Rejection
    detail: str | None = None


class Writer(NamedTuple):
    """Who asked for a message. `is_user`: a user of the directory; only a user becomes the owner of a conversation.
    `is_person`: not a rescue rule, whose messages are no words to the customer and wait behind those of agents."""

    name: str
    is_user: bool
    is_person: bool = True


def accept_send(
    command: SendMessage,
    command_id: str,
    to: Recipient,
    writer: Writer,
    policy: SendingPolicy,
    library: Library,
    now: datetime,
    secret: bytes,
) -> Send | RefusedSend:
    """Returns the send that a command asks for, or the first rejection that applies. `secret`: of its callback data."""
    kind, address = to.address
    owner = to.conversation.owner if to.conversation is not None else None
    if not policy.enabled:
        return RefusedSend(Rejection.SENDING_DISABLED)
    if not policy.allows(kind, address):
        return RefusedSend(Rejection.RECIPIENT_NOT_ALLOWED)
    if owner is not None and owner.state == "accepted" and owner.id != writer.name:
        return RefusedSend(Rejection.NOT_YOURS)
    if command.message.template is None and not to.has_window(now):
        return RefusedSend(Rejection.WINDOW_CLOSED)
    content = _content(command.message, to, library)
    if isinstance(content, RefusedSend):
        return content
    if command.expected_last is not None and not _is_last(command.expected_last, to):
        return RefusedSend(Rejection.CUSTOMER_WROTE_MEANWHILE)
    return Send(
        id=send_id(command_id),
        command_id=command_id,
        phone_number_id=to.phone_number_id,
        address=address,
        address_kind=kind,
        kind=content.kind,
        lane=Lane.AGENT if writer.is_person else Lane.SYSTEM,
        content=content.graph,
        text=content.text,
        actor=writer.name,
        is_word=writer.is_person and command.message.reaction is None,
        is_claim=writer.is_user,
        needs_window=command.message.template is None,
        requested_at=now,
        secret=secret,
        conversation_id=to.conversation.id if to.conversation is not None else None,
        customer_id=to.customer_id,
        reply_to=command.reply_to,
        expires_at=now + DEFAULT_EXPIRY,
        upload_id=upload_in(content.graph),
        is_marketing=content.is_marketing,
        delivered_within=content.delivered_within,
    )


class _Content(NamedTuple):
    kind: str
    graph: Mapping[str, Any]
    text: str | None
    is_marketing: bool = False
    delivered_within: timedelta = DELIVERED_WITHIN


def _content(message: OutgoingMessage, to: Recipient, library: Library) -> _Content | RefusedSend:
    """Returns the message in the form of the Graph API, with uploads still under our own ids."""
    if message.template is not None:
        return _template(message, to, library)
    if message.media is not None:
        upload = library.upload(message.media.upload_id)
        if upload is None:
            return RefusedSend(Rejection.MEDIA_UNKNOWN)
        media: dict[str, Any] = {"upload": str(upload.id)}
        if message.media.caption is not None and upload.kind in ("image", "video", "document"):
            media["caption"] = message.media.caption
        if upload.kind == "document":
            media["filename"] = upload.file_name
        return _Content(upload.kind, {"type": upload.kind, upload.kind: media}, message.media.caption)
    graph = graph_content(message)
    assert graph is not None
    return _Content(message.kind, graph, shown_text(message))


def _template(message: OutgoingMessage, to: Recipient, library: Library) -> _Content | RefusedSend:
    wanted = message.template
    assert wanted is not None
    template = library.template(to.phone_number_id, wanted.name, wanted.language)
    if template is None:
        return RefusedSend(Rejection.TEMPLATE_UNKNOWN)
    if concerns(library.opt_out_of(to), is_template=True, is_marketing=template.is_marketing):
        return RefusedSend(Rejection.OPTED_OUT)
    if not template.is_sendable:
        return RefusedSend(Rejection.TEMPLATE_NOT_APPROVED)
    try:
        filled = fill(template, wanted)
    except WrongParameters as error:
        return RefusedSend(Rejection.PARAMETERS_WRONG, str(error))
    if filled.upload is not None:
        upload = library.upload(filled.upload)
        if upload is None or upload.kind != template.header_kind:
            return RefusedSend(Rejection.MEDIA_UNKNOWN)
    if template.is_authentication and to.address[0] == "user_id":
        return RefusedSend(Rejection.BSUID_NOT_POSSIBLE)
    graph: dict[str, Any] = {"name": wanted.name, "language": {"code": wanted.language}}
    if filled.components:
        graph["components"] = filled.components
    return _Content(
        "template",
        {"type": "template", "template": graph},
        filled.text,
        template.is_marketing,
        template.delivered_within,
    )


def _is_last(expected: str, to: Recipient) -> bool:
    """Returns whether the customer's last message is still the one that the writer has seen, by its id or wamid."""
    if to.conversation is None or to.conversation.evidence.last_turn is None:
        return True
    last = to.conversation.evidence.last_turn.fact
    return expected == str(last) or fact_id("message", to.phone_number_id, expected) == last
