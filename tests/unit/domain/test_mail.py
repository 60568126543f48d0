"""The rules of mails: rejections and their order, and the state of a mail after any events of SES."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from domain.commands import Email, Rejection
from domain.facts import MailEvent
from domain.ids import fact_id
from domain.mail import (
    MAX_BYTES,
    Accepted,
    Mail,
    MailPolicy,
    MailRequest,
    OutcomeUnknown,
    PermanentFailure,
    TransientFailure,
    accept_email,
    after_attempt,
    after_event,
    mail_id,
)
from infra.ses.addresses import address
from witiop.exits import SettingsError
from witiop.settings import load
from witiop.wiring.from_settings import mail_policy

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
POLICY = MailPolicy(address)


def email(**fields: Any) -> Email:
    return Email.model_validate(
        {"conversation_id": UUID(int=1), "to": ["a@example.com"], "subject": "s", "body": "b"} | fields
    )


def test_an_accepted_mail_has_each_address_once_in_the_form_of_ses() -> None:
    """IDN domains in ASCII, domains in lower case, no repeats."""
    given = email(to=["a@EXAMPLE.com", "a@example.com", "b@bücher.de"], body="a\x00", hold_seconds=60)
    expected = MailRequest(
        UUID(int=1), ("a@example.com", "b@xn--bcher-kva.de"), "s", "a\ufffd", False, timedelta(minutes=1)
    )
    assert expected == accept_email(given, POLICY)


@pytest.mark.parametrize(
    "bad",
    [
        "ü@example.com",
        "a@b.com\r\nBcc: c@d.com",
        "N <a@b.com>",
        "a@example",
        "a@[127.0.0.1]",
        "",
        "a" * 65 + "@example.com",
        "a@example.com\x00",
        "\u202ea@example.com",
    ],
)
def test_an_address_that_ses_does_not_accept_is_invalid(bad: str) -> None:
    """Even if another address is valid."""
    assert Rejection.ADDRESS_INVALID == accept_email(email(to=["a@example.com", bad]), POLICY)


@pytest.mark.parametrize(
    "bad", ["", "  ", "a\r\nBcc: c@d.com", "a\nb", "a\x00", "a\u2028b", "s" * 251, "=?utf-8?q?=0D=0A?="]
)
def test_a_subject_is_one_line_that_cannot_end_a_header(bad: str) -> None:
    """Of at most 250 characters."""
    assert Rejection.SUBJECT_INVALID == accept_email(email(subject=bad), POLICY)


def test_a_mail_is_rejected_for_the_first_reason_of_the_promised_order() -> None:
    """In the order of domain.md; each step fixes the reason that was found."""
    policy = MailPolicy(address, frozenset({"example.com"}))
    many = [f"a{n}@example.com" for n in range(51)]
    bad = {"to": [*many, "x", "b@example.org"], "body": "x" * MAX_BYTES, "subject": ""}
    cures: list[tuple[Rejection | None, dict[str, Any]]] = [
        (Rejection.ADDRESS_INVALID, {"to": [*many, "b@example.org"]}),
        (Rejection.RECIPIENT_NOT_ALLOWED, {"to": many}),
        (Rejection.TOO_MANY_RECIPIENTS, {"to": many[1:]}),
        (Rejection.TOO_LARGE, {"body": "b"}),
        (Rejection.SUBJECT_INVALID, {"subject": "s"}),
    ]
    for expected, cure in cures:
        assert expected == accept_email(email(**bad), policy)
        bad |= cure
    assert isinstance(accept_email(email(**bad), policy), MailRequest)


def test_mails_are_sent_only_to_the_domains_that_the_settings_allow() -> None:
    """In capitals or any script, but not to subdomains."""
    policy = mail_policy(load(mail_allowed_domains="Example.com, bücher.de"))
    for to, expected in (
        ("a@example.COM", None),
        ("a@BÜCHER.de", None),
        ("a@xn--bcher-kva.de", None),
        ("a@mail.example.com", Rejection.RECIPIENT_NOT_ALLOWED),
        ("a@example.com.evil.org", Rejection.RECIPIENT_NOT_ALLOWED),
    ):
        accepted = accept_email(email(to=[to]), policy)
        assert expected == (None if isinstance(accepted, MailRequest) else accepted)
    with pytest.raises(SettingsError, match="WITIOP_MAIL_ALLOWED_DOMAINS: not a mail address"):
        load(mail_allowed_domains="example.com,@")


def test_a_transcript_that_cannot_fit_is_rejected() -> None:
    """Both forms of the body hold the transcript, encoded."""
    assert Rejection.TOO_LARGE == accept_email(email(), POLICY, MAX_BYTES * 3 // 8)
    assert isinstance(accept_email(email(), POLICY, MAX_BYTES // 3), MailRequest)


def test_the_command_decides_about_masking_otherwise_the_settings() -> None:
    """A command may ask for masking, against it, or leave it open."""
    for said, expected in ((None, True), (True, True), (False, False)):
        accepted = accept_email(email(mask=said), replace(POLICY, mask=True))
        assert isinstance(accepted, MailRequest)
        assert expected == accepted.masked


MAIL = Mail(
    mail_id("c1"), "c1", UUID(int=1), "boss", ("a@x.com", "b@x.com"), "s", "b", False, NOON, state="sending", attempts=1
)


def event(type_: str, *recipients: str) -> MailEvent:
    return MailEvent(
        id=fact_id(type_, *recipients), at=NOON, sent_at=NOON, mail_id=MAIL.id, type=type_, recipients=recipients
    )


def test_the_outcome_of_an_attempt_is_the_state_of_the_mail() -> None:
    """Accepted, throttled, rejected, unanswered."""
    assert ("sent", None) == _of(after_attempt(MAIL, Accepted("m"), 1))
    assert ("requested", "429") == _of(after_attempt(MAIL, TransientFailure("429"), 1))
    assert ("failed", "MessageRejected") == _of(after_attempt(MAIL, PermanentFailure("MessageRejected"), 1))
    assert ("unknown", "500") == _of(after_attempt(MAIL, OutcomeUnknown("500"), 1))


def test_a_mail_whose_attempt_was_given_up_is_sent_only_if_ses_accepted_it() -> None:
    """A sender that was considered dead reports late: this must not make the mail due again."""
    unknown = replace(MAIL, state="unknown", reason="x")
    for how in (TransientFailure("429"), PermanentFailure("r"), OutcomeUnknown("500")):
        assert unknown == after_attempt(unknown, how, 1)
    assert "sent" == after_attempt(unknown, Accepted("m"), 1).state


def test_a_late_report_about_an_earlier_attempt_counts_only_if_ses_accepted_it() -> None:
    """The attempt was given up, an administrator sent the mail again, and the second attempt has begun."""
    again = replace(MAIL, attempts=2)
    for how in (TransientFailure("429"), PermanentFailure("r"), OutcomeUnknown("500")):
        assert again == after_attempt(again, how, 1)
        assert again != after_attempt(again, how, 2)
    assert "sent" == after_attempt(again, Accepted("m"), 1).state


def test_the_worst_delivery_of_the_recipients_is_shown_in_any_order_of_events() -> None:
    """Delivered only if all recipients received the mail."""
    events = [event("sent"), event("delivered", "A@X.com"), event("delivered", "b@x.com"), event("bounced", "b@x.com")]
    for order in permutations([*events, event("delivery_delay", "a@x.com")]):
        mail = replace(MAIL, state="unknown")
        for each in order:
            mail = after_event(after_event(mail, each), each)
        assert ("bounced", {"a@x.com": "delivered", "b@x.com": "bounced"}) == (mail.shown, mail.delivery)
    assert "sent" == after_event(MAIL, events[1]).shown
    assert "delivered" == after_event(after_event(MAIL, events[1]), events[2]).shown
    assert "complained" == after_event(mail, event("complained", "a@x.com")).shown


def test_an_event_of_ses_settles_an_unknown_outcome_and_prevents_a_second_attempt() -> None:
    """Any event about a delivery proves that SES accepted an attempt."""
    for state in ("unknown", "requested", "sending", "failed"):
        assert "sent" == after_event(replace(MAIL, state=state), event("bounced", "a@x.com")).state
    assert "failed" == after_event(replace(MAIL, state="sent"), event("failed")).shown
    assert "recalled" == after_event(replace(MAIL, state="recalled"), event("sent")).shown


def test_a_mail_that_ses_accepted_and_then_rejected_has_failed_in_any_order_of_events() -> None:
    """SES reports a Send and a Reject; its answer to the attempt may arrive last."""
    thrown_away = event("failed").model_copy(update={"reason": "Bad content"})
    steps: list[Callable[[Mail], Mail]] = [
        lambda mail: after_attempt(mail, Accepted("m"), 1),
        lambda mail: after_event(mail, event("sent")),
        lambda mail: after_event(mail, thrown_away),
    ]
    for order in permutations(steps):
        mail = MAIL
        for step in order:
            mail = step(mail)
        assert ("failed", "Bad content", "m") == (mail.shown, mail.reason, mail.message_id)


def test_a_delivery_counts_more_than_a_rejection_in_any_order_of_events() -> None:
    """If SES contradicts itself, the delivery to a recipient counts."""
    for order in permutations([event("failed"), event("delivered", "a@x.com"), event("sent")]):
        mail = MAIL
        for each in order:
            mail = after_event(mail, each)
        assert ("sent", None, {"a@x.com": "delivered"}) == (mail.state, mail.reason, mail.delivery)


def test_events_that_arrive_before_the_answer_to_the_attempt_count() -> None:
    """SES may report the delivery before it answers the attempt."""
    early = after_event(MAIL, event("delivered", "a@x.com", "b@x.com"))
    assert "delivered" == after_attempt(early, Accepted("m"), 1).shown
    assert early == after_attempt(early, OutcomeUnknown("time-out"), 1)


def _of(mail: Mail) -> tuple[str, str | None]:
    return mail.state, mail.reason
