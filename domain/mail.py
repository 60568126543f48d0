"""Mails: a conversation forwarded to people (manual fact S12; domain.md, *Mail*).

One command leads to one mail, which is one SendEmail call to all of its recipients. SES does not recognise repeats, so
a mail is never sent again automatically if SES may have accepted it: the state `sending` is committed before the
attempt, and if the outcome is not certain, the mail is `unknown` until an event of SES or a person settles it.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html import escape
from typing import Literal, Protocol, get_args
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
"""Maximum size of a mail."""
MAX_TEXT_BYTES = 6_200_000
"""Maximum size of an administrator's text, as plain text and as HTML together. In base64 that leaves room for about a
megabyte of transcript."""
MAX_SUBJECT = 250
"""Maximum length of a subject, in characters."""

MailState = Literal["requested", "sending", "sent", "failed", "unknown", "recalled", "held_after_restore"]
DeliveryStatus = Literal["suppressed", "delivered", "bounced", "complained"]
"""The delivery that SES reported for one recipient. `suppressed`: the address is on a suppression list of SES, which
therefore did not send the mail to it."""
Fate = Literal["suppressed", "soft_bounced", "delivered", "bounced", "complained"]
"""What SES reported about one recipient, in the order in which a later one replaces an earlier one, whatever came
first. A soft bounce, which is also how SES reports an automatic reply, proves nothing against a delivery."""
MailStatus = Literal[MailState, "delivered", "bounced", "complained"]
RESENDABLE: tuple[MailState, ...] = ("unknown", "failed")
"""The states in which an administrator may use *send again*."""

SUPPRESSED = "OnAccountSuppressionList"
"""The reason of a mail that failed because all of its recipients are on a suppression list."""

_FATES: tuple[Fate, ...] = get_args(Fate)
_SOFT_BOUNCES = ("transient", "undetermined")
_SUPPRESSIONS = (SUPPRESSED.lower(), "suppressed", "unsubscribedrecipient")
_NO_COMPLAINTS = ("not-spam", "auth-failure")
"""Feedback about a mail that says nothing against it: "this is not spam", and a report about its authentication."""


@dataclass(frozen=True, slots=True)
class MailPolicy:
    """The installation's rules for mails. `address`: returns an address in the form that SES accepts, None if it is not
    valid; `domains`: the allowed domains of recipients, in lower case and ASCII, empty for all; `mask`: whether phone
    numbers are masked if the command does not say; `enabled`: whether this installation sends mails at all."""

    address: Callable[[str], str | None]
    domains: frozenset[str] = frozenset()
    mask: bool = False
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class MailRequest:
    """A mail that may be sent. `to`: distinct addresses in the form that SES accepts; `hold`: how long the mail can be
    recalled; `with_notes`: the notes of colleagues are in it."""

    conversation_id: UUID
    to: tuple[str, ...]
    subject: str
    body: str
    masked: bool
    hold: timedelta
    with_notes: bool = False


def accept_email(email: Email, policy: MailPolicy) -> MailRequest | Rejection:
    """Returns the mail that a command asks for, or the first rejection that applies (domain.md). The conversation must
    exist; its size does not matter, because the mail leaves out what is too much."""
    if not policy.enabled:
        return Rejection.MAILS_DISABLED
    if len(email.to) > _MAX_TYPED_RECIPIENTS:
        return Rejection.TOO_MANY_RECIPIENTS
    checked = [policy.address(each) for each in dict.fromkeys(email.to)]
    to = tuple(dict.fromkeys(each for each in checked if each is not None))
    if None in checked:
        return Rejection.ADDRESS_INVALID
    if not all(_is_allowed(each, policy) for each in to):
        return Rejection.RECIPIENT_NOT_ALLOWED
    if len(to) > MAX_RECIPIENTS:
        return Rejection.TOO_MANY_RECIPIENTS
    if len(email.body.encode()) + len(escape(email.body).encode()) > MAX_TEXT_BYTES:
        return Rejection.TOO_LARGE
    if not is_subject(email.subject):
        return Rejection.SUBJECT_INVALID
    body = email.body.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    masked = policy.mask if email.mask is None else email.mask
    hold = timedelta(seconds=email.hold_seconds)
    return MailRequest(email.conversation_id, to, email.subject, body, masked, hold, bool(email.notes))


def faulty_recipients(email: Email, policy: MailPolicy) -> tuple[str, ...]:
    """Returns the recipients, as they are written, for which a command is rejected with `address_invalid`; if there is
    none, those for which it is rejected with `recipient_not_allowed`."""
    checked = {each: policy.address(each) for each in email.to}
    invalid = tuple(each for each, found in checked.items() if found is None)
    return invalid or tuple(each for each, found in checked.items() if found and not _is_allowed(found, policy))


def _is_allowed(address: str, policy: MailPolicy) -> bool:
    return not policy.domains or address.rpartition("@")[2] in policy.domains


def is_subject(subject: str) -> bool:
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
    id; `delivery`: what SES reported, by recipient; `rejected`: SES reported that it accepted the mail and then did not
    send it; `with_notes`: as of `MailRequest`."""

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
    delivery: Mapping[str, Fate] = field(default_factory=dict)
    rejected: bool = False
    with_notes: bool = False

    @property
    def shown(self) -> MailStatus:
        """The status to show: the worst delivery among the recipients; delivered only if the mail was delivered to
        all."""
        if self.state != "sent":
            return self.state
        reported = [self.reported(each) for each in self.to]
        if "complained" in reported:
            return "complained"
        if "bounced" in reported or "suppressed" in reported:
            return "bounced"
        return "sent" if None in reported else "delivered"

    def reported(self, recipient: str) -> DeliveryStatus | None:
        """Returns the delivery to one recipient; None: SES has reported nothing yet."""
        fate = self.delivery.get(recipient)
        return "bounced" if fate == "soft_bounced" else fate


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
        return accepted if mail.rejected else _settled(accepted)
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
    unless it reached one of its recipients. Of what is reported for a recipient the last in the order of `Fate`
    counts."""
    if mail.state == "recalled":
        return mail
    if event.type == "failed":
        rejected = replace(mail, rejected=True)
        return rejected if _was_sent(mail) else replace(rejected, state="failed", reason=event.reason)
    if event.type not in ("sent", "delivered", "bounced", "complained"):
        return mail
    fate = _fate(event)
    recipients = {each.casefold(): each for each in mail.to}
    delivery = dict(mail.delivery)
    for recipient in event.recipients:
        to = recipients.get(recipient.casefold())
        if to and fate:
            delivery[to] = max(fate, delivery.get(to, fate), key=_FATES.index)
    after = replace(mail, delivery=delivery)
    return after if mail.rejected and not _was_sent(after) else _settled(after)


def _fate(event: MailEvent) -> Fate | None:
    """Returns what an event says about its recipients, by its type and by SES's words of its sub-types (`reason`)."""
    words = (event.reason or "").lower().split()
    if event.type in ("bounced", "complained") and any(word in _SUPPRESSIONS for word in words):
        return "suppressed"
    if event.type == "bounced":
        return "soft_bounced" if any(word in _SOFT_BOUNCES for word in words) else "bounced"
    if event.type == "complained":
        return None if any(word in _NO_COMPLAINTS for word in words) else "complained"
    return "delivered" if event.type == "delivered" else None


def _was_sent(mail: Mail) -> bool:
    """Returns whether SES reported that it sent the mail to one of its recipients at least."""
    return any(fate != "suppressed" for fate in mail.delivery.values())


def _settled(mail: Mail) -> Mail:
    """Returns a mail that SES accepted as sent, or as failed if SES sent it to nobody."""
    if all(mail.delivery.get(each) == "suppressed" for each in mail.to):
        return replace(mail, state="failed", reason=SUPPRESSED)
    return replace(mail, state="sent", reason=None)
