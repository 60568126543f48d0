"""Sends: one message each, posted to Meta at most once unless a person decides otherwise (docs/design/sending.md, S1).

Meta does not recognise repeats. As for mails, a send becomes `sending` before its attempt, and if the outcome is not
certain, it is `unknown` until a status that names it, or a person, settles it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Literal, Protocol, get_args
from uuid import UUID

from domain.ids import FactId, fact_id
from domain.sending.graph_errors import Scope

SendState = Literal[
    "queued",
    "sending",
    "accepted",
    "sent",
    "delivered",
    "read",
    "played",
    "failed",
    "dropped",
    "unknown",
    "assumed_sent",
    "recalled",
    "expired",
    "held_after_restore",
]
SEND_STATES: tuple[SendState, ...] = get_args(SendState)
TAKEN: tuple[SendState, ...] = ("accepted", "sent", "delivered", "read", "played")
"""States of a send that Meta accepted, in the order of its progress."""
WAITING: tuple[SendState, ...] = ("queued", "held_after_restore")
"""States of a send that Meta was not asked to take, or refused for now."""

DELIVERED_WITHIN = timedelta(days=30)
"""How long Meta tries to deliver a message, unless its template says otherwise. It reports nothing when it gives up."""

WINDOW_CLOSED = "window_closed"
EXPIRED = "expired"
NOT_ALLOWED = "recipient_not_allowed"
OPTED_OUT = "opted_out"

SendStatus = Literal["sent", "delivered", "read", "played", "failed"]
"""Meta's statuses of a message."""


AddressKind = Literal["phone", "user_id", "group"]
"""What a customer is addressed by."""


class Lane(IntEnum):
    """Whose turn it is when a number may send: agents first, then deferred transfers and automatic texts, then
    campaigns."""

    AGENT = 0
    SYSTEM = 1
    CAMPAIGN = 2


@dataclass(frozen=True, slots=True)
class PostAccepted:
    """Meta accepted the message. `wamid`: its id; `wa_id`, `user_id`: the customer's ids, which may differ from those
    that were used; `held`: Meta holds the message back, because its template is being paced."""

    wamid: str
    wa_id: str | None = None
    user_id: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True)
class NotSent:
    """The message was certainly not sent and is sent later: `scope` has to wait for `wait`. `code`: Meta's, None if
    Meta was not reached; `needs_person`: not before a person has mended something."""

    reason: str
    scope: Scope
    wait: timedelta
    code: int | None = None
    needs_person: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The message was certainly not sent, and the same post would be refused again."""

    code: int
    reason: str
    scope: Scope = "message"


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The message may have been sent: a server error, a time-out, a lost answer, or a sender that died."""

    reason: str


PostOutcome = PostAccepted | NotSent | Refused | Unanswered
"""How one post ended."""


class Graph(Protocol):
    """Posts messages to Meta's Graph API."""

    def post(self, phone_number_id: str, body: Mapping[str, Any]) -> PostOutcome:
        """Makes one attempt to post a message. `body`: as the Graph API takes it. Blocks until Meta has answered or a
        time-out is over; raises nothing."""
        ...

    def show(self, phone_number_id: str, body: Mapping[str, Any]) -> bool:
        """Makes one attempt to show a customer that their message was read (`read_receipt`); returns whether Meta took
        it. Blocks as `post` does; raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Send:
    """One message to one customer. `address`: a phone in digits, a business-scoped user id or a group's id, as
    `address_kind` says; `content`: the message in the form of the Graph API, frozen when it was asked for; `text`: what
    a person reads in it; `actor`: who asked for it; `is_word`: whether it is a human word to the customer, once
    accepted; `is_claim`: whether the actor then is the conversation's owner; `needs_window`: whether Meta refuses it
    when the customer's window is over; `expires_at`: it is not posted after that; `wa_id`, `user_id`: the customer's
    ids in Meta's answer; `error`: Meta's code; `secret`: of its callback data; `pair_refusals`: how often in a row Meta
    refused it because messages to the customer came too fast; `upload_id`: the file that it shows, for which `content`
    has `{"upload": ...}` instead of Meta's id; `is_marketing`: it is not sent to who wants no marketing;
    `delivered_within`: how long Meta tries to deliver it; `campaign_id`, `row_no`: the recipient of a campaign."""

    id: UUID
    command_id: str
    phone_number_id: str
    address: str
    address_kind: AddressKind
    kind: str
    lane: Lane
    content: Mapping[str, Any]
    text: str | None
    actor: str
    is_word: bool
    is_claim: bool
    needs_window: bool
    requested_at: datetime
    secret: bytes
    conversation_id: UUID | None = None
    customer_id: UUID | None = None
    reply_to: str | None = None
    state: SendState = "queued"
    attempt: int = 0
    expires_at: datetime | None = None
    claimed_at: datetime | None = None
    wamid: str | None = None
    wa_id: str | None = None
    user_id: str | None = None
    error: int | None = None
    reason: str | None = None
    pair_refusals: int = 0
    upload_id: UUID | None = None
    pricing: Mapping[str, Any] | None = None
    is_marketing: bool = False
    delivered_within: timedelta = DELIVERED_WITHIN
    campaign_id: UUID | None = None
    row_no: int | None = None


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What one status says about a send. `attempt`: from its callback data; None: the status named the message's id
    alone. `pricing`: as Meta reports it."""

    wamid: str
    status: SendStatus
    attempt: int | None = None
    code: int | None = None
    pricing: Mapping[str, Any] | None = None


def send_id(command_id: str) -> UUID:
    """Returns the id of a command's send, the same however often the command is received."""
    return fact_id("send", command_id)


def word_id(send: UUID) -> FactId:
    """Returns the id of the fact that a send is a word to the customer (`domain.facts.AgentMessage`)."""
    return fact_id("message sent", str(send))


def after_post(send: Send, outcome: PostOutcome, attempt: int) -> Send:
    """Returns the send after post number `attempt`.

    An acceptance always counts, also if the send was given up meanwhile, or was taken for the one that a `failed`
    status is about and has another id. Any other outcome counts only while this attempt is the current one and nothing
    has settled it: a sender that stood still must not make a send due again that was sent once more."""
    if isinstance(outcome, PostAccepted):
        known = replace(
            send,
            wamid=send.wamid if send.wamid and send.state != "failed" else outcome.wamid,
            wa_id=send.wa_id or outcome.wa_id,
            user_id=send.user_id or outcome.user_id,
        )
        if send.state in (*TAKEN, "dropped") or (send.state == "failed" and send.wamid == outcome.wamid):
            return known
        return replace(known, state="accepted", reason=None, error=None, pair_refusals=0)
    if send.state != "sending" or send.attempt != attempt:
        return send
    match outcome:
        case NotSent(reason, scope, _, code, _):
            refusals = send.pair_refusals + 1 if scope == "recipient" else send.pair_refusals
            return replace(send, state="queued", reason=reason, error=code, pair_refusals=refusals)
        case Refused(code, reason, _):
            return replace(send, state="failed", reason=reason, error=code)
        case Unanswered(reason):
            return replace(send, state="unknown", reason=reason)


def after_status(send: Send, report: StatusReport) -> Send:
    """Returns the send after one of Meta's statuses. They come in any order and repeatedly, also before the answer to
    the post; the progress never goes back, and a success that is reported after a failure stands."""
    state, error, reason = _progress(send, report)
    return replace(
        send,
        wamid=(report.wamid if report.attempt is not None and send.state == "failed" else send.wamid) or report.wamid,
        pricing=report.pricing if report.pricing is not None else send.pricing,
        state=state,
        error=error,
        reason=reason,
    )


def _progress(send: Send, report: StatusReport) -> tuple[SendState, int | None, str | None]:
    """Returns state, error and reason of a send after a status."""
    unchanged = send.state, send.error, send.reason
    if report.status == "failed":
        if send.state in ("delivered", "read", "played"):
            return unchanged
        return "failed", report.code, send.reason if send.state == "failed" else None
    if send.state in TAKEN and TAKEN.index(send.state) >= TAKEN.index(report.status):
        return unchanged
    if report.status == "sent" and (send.state == "dropped" or (send.state, send.wamid) == ("failed", report.wamid)):
        return unchanged  # it is late, and says nothing about the delivery
    return report.status, None, None


def is_over(send: Send, now: datetime, window_ends_at: datetime | None) -> str | None:
    """Returns why a send that waits must not be posted any more; None: it may."""
    if send.expires_at is not None and now >= send.expires_at:
        return EXPIRED
    if send.needs_window and (window_ends_at is None or now >= window_ends_at):
        return WINDOW_CLOSED
    return None


def letter(send: Send, callback: str, media_id: str | None = None) -> dict[str, Any]:
    """Returns the body of the post. `media_id`: Meta's id of the file that the send shows. A phone is always written
    with its country code and a plus: without it, Meta prepends the sender's own country code."""
    to = {
        "phone": {"recipient_type": "individual", "to": f"+{send.address.lstrip('+')}"},
        "user_id": {"recipient_type": "individual", "recipient": send.address},
        "group": {"recipient_type": "group", "to": send.address},
    }[send.address_kind]
    context = {"context": {"message_id": send.reply_to}} if send.reply_to else {}
    return {
        "messaging_product": "whatsapp",
        **to,
        **context,
        **(_with_media(send.content, media_id) if media_id is not None else send.content),
        "biz_opaque_callback_data": callback,
    }


def upload_in(content: Any) -> UUID | None:  # noqa: ANN401 - JSON
    """Returns the upload that a message in the form of the Graph API shows."""
    if isinstance(content, Mapping):
        if "upload" in content:
            return UUID(content["upload"])
        return upload_in(list(content.values()))
    if isinstance(content, list):
        return next((found for part in content if (found := upload_in(part)) is not None), None)
    return None


def _with_media(content: Any, media_id: str) -> Any:  # noqa: ANN401 - JSON
    """Returns the content with Meta's id in place of the upload."""
    if isinstance(content, Mapping):
        return {
            "id" if key == "upload" else key: media_id if key == "upload" else _with_media(part, media_id)
            for key, part in content.items()
        }
    if isinstance(content, list):
        return [_with_media(part, media_id) for part in content]
    return content


def read_receipt(wamid: str, *, typing: bool) -> dict[str, Any]:
    """Returns the body of the post that shows a customer that their message was read, and that somebody is writing."""
    indicator = {"typing_indicator": {"type": "text"}} if typing else {}
    return {"messaging_product": "whatsapp", "status": "read", "message_id": wamid, **indicator}
