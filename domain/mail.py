"""Mails: a conversation forwarded to people (manual fact S12; domain.md, *Mail*).

One command leads to one mail, which is one SendEmail call to all of its recipients. SES does not recognise repeats, so
a mail is never sent again automatically if SES may have accepted it: the state `sending` is committed before the
attempt, and if the outcome is not certain, the mail is `unknown` until an event of SES or a person settles it.
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
"""Maximum number of recipients that SES accepts in one call."""
_MAX_TYPED_RECIPIENTS = 20 * MAX_RECIPIENTS
"""Maximum number of addresses before repeats are removed. More are rejected before any of them is checked."""
MAX_BYTES = 10_000_000
"""Maximum size of a mail body."""
MAX_SUBJECT = 250
"""Maximum length of a subject, in characters."""

MailState = Literal["requested", "sending", "sent", "failed", "unknown", "recalled"]
DeliveryStatus = Literal["delivered", "bounced", "complained"]
"""The delivery that SES reported for one recipient; it only gets worse."""
MailStatus = Literal[MailState, DeliveryStatus]
RESENDABLE: tuple[MailState, ...] = ("unknown", "failed")
"""The states in which an administrator may use *send again*."""

_BY_SEVERITY: tuple[DeliveryStatus, ...] = ("delivered", "bounced", "complained")


@dataclass(frozen=True, slots=True)
class MailPolicy:
    """The installation's rules for mails. `address`: returns an address in the form that SES accepts, None if it is not
    valid; `domains`: the allowed domains of recipients, in lower case and ASCII, empty for all; `mask`: whether phone
    numbers are masked if the command does not say."""

    address: Callable[[str], str | None]
    domains: frozenset[str] = frozenset()
    mask: bool = False


@dataclass(frozen=True, slots=True)
class MailRequest:
    """A mail that may be sent. `to`: distinct addresses in the form that SES accepts; `hold`: how long the mail can be
    recalled."""

    conversation_id: UUID
    to: tuple[str, ...]
    subject: str
    body: str
    masked: bool
    hold: timedelta


def accept_email(email: Email, policy: MailPolicy, transcript_bytes: int = 0) -> MailRequest | Rejection:
    """Returns the mail that a command asks for, or the first rejection that applies (domain.md). The conversation must
    exist. `transcript_bytes`: the size of the transcript's texts; the mail body contains them twice, in base64."""
    if len(email.to) > _MAX_TYPED_RECIPIENTS:
        return Rejection.TOO_MANY_RECIPIENTS
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
    """Returns whether a subject is one line of 1 to `MAX_SUBJECT` characters, and contains nothing that ends a header
    or is an encoded word that could (`=?utf-8?q?=0A?=`)."""
    if len(subject) > MAX_SUBJECT or not subject.strip():
        return False
    return "=?" not in subject and not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in subject)


def mail_id(command_id: str) -> UUID:
    """Returns the id of a command's mail, the same however often the command is received."""
    return fact_id("mail", command_id)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. `reason`: why it failed or is unknown; `attempts`: number of attempts begun; `message_id`: SES's own
    id; `delivery`: the delivery reported by SES, by recipient; `rejected`: SES reported that it accepted the mail and
    then did not send it."""

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
        """The status to show: the worst delivery among the recipients; delivered only if the mail was delivered to
        all."""
        if self.state != "sent":
            return self.state
        reported = set(self.delivery.values())
        for status in ("complained", "bounced"):
            if status in reported:
                return status
        return "delivered" if all(each in self.delivery for each in self.to) else "sent"


class Mailer(Protocol):
    """Sends mail bodies through SES."""

    def post(self, mail: UUID, body: bytes) -> AttemptOutcome:
        """Makes one attempt to send a mail body to the recipients in its headers. Blocks until SES has answered or a
        timeout is over; raises nothing. The mail's id is sent as a tag, so that SES's events name it."""
        ...


def after_attempt(mail: Mail, outcome: AttemptOutcome, attempt: int) -> Mail:
    """Returns the mail after attempt number `attempt`.

    An acceptance always counts, unless SES has reported since that it did not send the mail. Any other outcome counts
    only while this attempt is the current one: it changes nothing if SES's events or *unknown* have settled the mail,
    or if a later attempt has begun. A sender that was stalled while its attempt was given up and the mail was sent
    again must not make the mail due a third time."""
    if isinstance(outcome, Accepted):
        accepted = replace(mail, message_id=outcome.message_id)
        return accepted if mail.rejected else replace(accepted, state="sent", reason=None)
    if mail.state != "sending" or mail.attempts != attempt:
        return mail
    match outcome:
        case TransientFailure(reason):
            return replace(mail, state="requested", reason=reason)
        case PermanentFailure(reason):
            return replace(mail, state="failed", reason=reason)
        case OutcomeUnknown(reason):
            return replace(mail, state="unknown", reason=reason)


def after_event(mail: Mail, event: MailEvent) -> Mail:
    """Returns the mail after an event of SES. Events may arrive in any order and repeatedly.

    Any delivery event proves that SES accepted the mail. A mail that SES accepted and then did not send has failed,
    unless a delivery was reported for one of its recipients. For each recipient the worst delivery counts."""
    if mail.state == "recalled":
        return mail
    if event.type == "failed":
        rejected = replace(mail, rejected=True)
        return rejected if mail.delivery else replace(rejected, state="failed", reason=event.reason)
    if event.type != "sent" and event.type not in _BY_SEVERITY:
        return mail
    recipients = {each.casefold(): each for each in mail.to}
    delivery = dict(mail.delivery)
    for recipient in event.recipients:
        to = recipients.get(recipient.casefold())
        for status in _BY_SEVERITY:
            if to and status == event.type and _is_worse(status, delivery.get(to)):
                delivery[to] = status
    if mail.rejected and not delivery:
        return mail
    return replace(mail, state="sent", reason=None, delivery=delivery)


def _is_worse(status: DeliveryStatus, known: DeliveryStatus | None) -> bool:
    return known is None or _BY_SEVERITY.index(known) < _BY_SEVERITY.index(status)
