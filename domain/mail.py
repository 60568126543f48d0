"""Mails: a conversation forwarded to people (manual fact S12; domain.md, *Mail*).

One command is one mail is one SendEmail to all of its recipients. SES knows no repeats, so a mail whose post may have
been accepted is never posted again by itself: `sending` is committed before the post, and what is not certain
afterwards is `unknown` until an event of SES or a person settles it.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from domain.attempts import Accepted, AttemptOutcome, OutcomeUnknown, PermanentFailure, TransientFailure
from domain.commands import Email, Rejection
from domain.facts import MailEvent
from domain.ids import fact_id

MAX_RECIPIENTS = 50
"""What SES takes in one post."""
MAX_BYTES = 10_000_000
MAX_SUBJECT = 250
"""Characters."""

MailState = Literal["requested", "sending", "sent", "failed", "unknown", "recalled"]
DeliveryStatus = Literal["delivered", "bounced", "complained"]
"""What SES told of one recipient; it only gets worse."""
MailStatus = Literal[MailState, DeliveryStatus]
RESENDABLE: tuple[MailState, ...] = ("unknown", "failed")
"""Where an administrator's *send again* is the way on."""

_FATES: tuple[DeliveryStatus, ...] = ("delivered", "bounced", "complained")


@dataclass(frozen=True, slots=True)
class MailPolicy:
    """What the installation allows. `address`: the form of an address that SES takes, None for what is none; `domains`:
    those that recipients may be of, in lower case and ASCII, empty for all; `mask`: whether phone numbers are hidden
    where the command does not say."""

    address: Callable[[str], str | None]
    domains: frozenset[str] = frozenset()
    mask: bool = False


@dataclass(frozen=True, slots=True)
class MailRequest:
    """A mail that may be sent: addresses once each, as SES takes them. `hold`: how long it can be recalled."""

    conversation_id: UUID
    to: tuple[str, ...]
    subject: str
    body: str
    masked: bool
    hold: timedelta


def accept_email(email: Email, policy: MailPolicy, transcript_bytes: int = 0) -> MailRequest | Rejection:
    """The mail that a command asks for, or why it gets none, the first that fits (domain.md). The conversation
    exists. `transcript_bytes`: of all that was said in it; both forms of the letter hold it, encoded."""
    checked = [policy.address(each) for each in dict.fromkeys(email.to)]
    to = tuple(dict.fromkeys(each for each in checked if each is not None))
    if None in checked:
        return Rejection.ADDRESS_INVALID
    if policy.domains and not all(each.rpartition("@")[2] in policy.domains for each in to):
        return Rejection.RECIPIENT_NOT_ALLOWED
    if len(to) > MAX_RECIPIENTS:
        return Rejection.TOO_MANY_RECIPIENTS
    if (len(email.body.encode()) + transcript_bytes) * 2 * 4 // 3 > MAX_BYTES:
        return Rejection.TOO_LARGE
    if not _is_subject(email.subject):
        return Rejection.SUBJECT_INVALID
    body = email.body.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    masked = policy.mask if email.mask is None else email.mask
    return MailRequest(email.conversation_id, to, email.subject, body, masked, timedelta(seconds=email.hold_seconds))


def _is_subject(subject: str) -> bool:
    """One line of a length that people read; nothing in it ends a header, or is one in disguise (`=?utf-8?q?=0A?=`)."""
    unfit = any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in subject) or "=?" in subject
    return bool(subject.strip()) and len(subject) <= MAX_SUBJECT and not unfit


def mail_id(command_id: str) -> UUID:
    """A command has one mail, however often it comes."""
    return fact_id("mail", command_id)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. `reason`: why it failed or is unknown; `attempts`: posts that were begun; `delivery`: what SES told, by
    recipient; `message_id`: SES's own; `rejected`: SES said that it took the last post and threw it away."""

    id: UUID
    command_id: str
    conversation_id: UUID
    issuer: str
    to: tuple[str, ...]
    subject: str
    body: str
    masked: bool
    requested_at: datetime
    state: MailState = "requested"
    reason: str | None = None
    attempts: int = 0
    message_id: str | None = None
    delivery: Mapping[str, DeliveryStatus] = field(default_factory=dict)
    rejected: bool = False

    @property
    def shown(self) -> MailStatus:
        """The worst of it: delivered only once all were."""
        if self.state != "sent":
            return self.state
        told = set(self.delivery.values())
        for fate in ("complained", "bounced"):
            if fate in told:
                return fate
        return "delivered" if all(each in self.delivery for each in self.to) else "sent"


class Mailer(Protocol):
    """The way to SES."""

    def post(self, mail: UUID, letter: bytes) -> AttemptOutcome:
        """One attempt, to everybody the letter names; raises nothing. The id travels with it, so that SES's events
        name it."""
        ...


def after_attempt(mail: Mail, how: AttemptOutcome, attempt: int) -> Mail:
    """The mail after its post number `attempt`. What SES's events said meanwhile stands, and so does *unknown* unless
    SES accepted; and what a later post is about to say: a sender that stood still until somebody had given its post up
    and sent the mail again must not make it due a third time."""
    if isinstance(how, Accepted):
        accepted = replace(mail, message_id=how.message_id)
        return accepted if mail.rejected else replace(accepted, state="sent", reason=None)
    if mail.state != "sending" or mail.attempts != attempt:
        return mail
    match how:
        case TransientFailure(reason):
            return replace(mail, state="requested", reason=reason)
        case PermanentFailure(reason):
            return replace(mail, state="failed", reason=reason)
        case OutcomeUnknown(reason):
            return replace(mail, state="unknown", reason=reason)


def after_event(mail: Mail, event: MailEvent) -> Mail:
    """The mail after an event of SES, in any order and any number of times. An event that speaks of a post proves that
    SES accepted one; what it accepted and then threw away has failed; of a recipient the worst counts, and whom it
    reached it was not thrown away for."""
    if mail.state == "recalled":
        return mail
    if event.type == "failed":
        thrown_away = replace(mail, rejected=True)
        return thrown_away if mail.delivery else replace(thrown_away, state="failed", reason=event.reason)
    if event.type != "sent" and event.type not in _FATES:
        return mail
    mine = {each.casefold(): each for each in mail.to}
    fates = dict(mail.delivery)
    for recipient in event.recipients:
        to = mine.get(recipient.casefold())
        for fate in _FATES:
            if to and fate == event.type and (to not in fates or _FATES.index(fates[to]) < _FATES.index(fate)):
                fates[to] = fate
    if mail.rejected and not fates:
        return mail
    return replace(mail, state="sent", reason=None, delivery=fates)
