"""The rules of mails: rejections in their order, and the state of a mail after attempts and events of SES."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.attempts import Accepted, OutcomeUnknown, PermanentFailure, TransientFailure
from domain.commands import Email, Rejection
from domain.facts import MailEvent
from domain.ids import fact_id
from domain.mail import (
    MAX_BYTES,
    MAX_TEXT_BYTES,
    Mail,
    MailPolicy,
    MailRequest,
    accept_email,
    after_attempt,
    after_event,
    faulty_recipients,
    mail_id,
)
from infra.ses.addresses import address
from witiop.exit_codes import SettingsError
from witiop.settings import load
from witiop.wiring.from_settings import mail_policy

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
POLICY = MailPolicy(address)


def email(**fields: Any) -> Email:
    return Email.model_validate(
        {"conversation_id": UUID(int=1), "to": ["a@example.com"], "subject": "s", "body": "b"} | fields
    )


def test_an_accepted_mail_has_distinct_addresses_in_the_form_for_ses() -> None:
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


@pytest.mark.parametrize("domain", ["аpple.com", "раураl.com", "pаypal.com", "ελlas.example", "mail.gооgle.com"])
def test_a_domain_that_mixes_alphabets_of_the_same_look_is_invalid(domain: str) -> None:
    """It only imitates another one. Domains in one script are valid, and are shown in ASCII everywhere."""
    assert Rejection.ADDRESS_INVALID == accept_email(email(to=[f"a@{domain}"]), POLICY)
    for good, shown in (
        ("почта.рф", "xn--80a1acny.xn--p1ai"),
        ("bücher.de", "xn--bcher-kva.de"),
        ("東京tokyo.jp", "xn--tokyo-w91hq39l.jp"),
        ("аррӏе.com", "xn--80ak6aa92e.com"),
    ):
        accepted = accept_email(email(to=[f"a@{good}"]), POLICY)
        assert isinstance(accepted, MailRequest)
        assert (f"a@{shown}",) == accepted.to


def test_the_recipients_at_fault_are_named() -> None:
    """Those that are no addresses, else those that the settings do not allow, as they were written."""
    policy = MailPolicy(address, frozenset({"example.com"}))
    to = ["jane@", "a@Example.com", "bob", "c@example.org"]
    assert ("jane@", "bob") == faulty_recipients(email(to=to), policy)
    assert ("c@example.org",) == faulty_recipients(email(to=to[1::2]), policy)
    assert () == faulty_recipients(email(to=["a@Example.com"]), policy)


@pytest.mark.parametrize(
    "bad", ["", "  ", "a\r\nBcc: c@d.com", "a\nb", "a\x00", "a\u2028b", "s" * 251, "=?utf-8?q?=0D=0A?="]
)
def test_a_subject_is_one_line_that_cannot_end_a_header(bad: str) -> None:
    """Of at most 250 characters."""
    assert Rejection.SUBJECT_INVALID == accept_email(email(subject=bad), POLICY)


def test_the_first_rejection_that_applies_is_returned() -> None:
    """In the order of domain.md: each step fixes the first problem that is left."""
    policy = MailPolicy(address, frozenset({"example.com"}))
    many = [f"a{n}@example.com" for n in range(51)]
    bad = {"to": [*many, "x", "b@example.org"], "body": "x" * MAX_BYTES, "subject": ""}
    fixes: list[tuple[Rejection | None, dict[str, Any]]] = [
        (Rejection.ADDRESS_INVALID, {"to": [*many, "b@example.org"]}),
        (Rejection.RECIPIENT_NOT_ALLOWED, {"to": many}),
        (Rejection.TOO_MANY_RECIPIENTS, {"to": many[1:]}),
        (Rejection.TOO_LARGE, {"body": "b"}),
        (Rejection.SUBJECT_INVALID, {"subject": "s"}),
    ]
    for expected, fix in fixes:
        assert expected == accept_email(email(**bad), policy)
        bad |= fix
    assert isinstance(accept_email(email(**bad), policy), MailRequest)


def test_mails_are_sent_only_to_the_domains_that_the_settings_allow() -> None:
    """Written in any case and any script, but not to subdomains."""
    policy = mail_policy(load(ses_sender="inbox@example.com", mail_allowed_domains="Example.com, bücher.de"))
    for to, expected in (
        ("a@example.COM", None),
        ("a@BÜCHER.de", None),
        ("a@xn--bcher-kva.de", None),
        ("a@mail.example.com", Rejection.RECIPIENT_NOT_ALLOWED),
        ("a@example.com.evil.org", Rejection.RECIPIENT_NOT_ALLOWED),
    ):
        accepted = accept_email(email(to=[to]), policy)
        assert expected == (None if isinstance(accepted, MailRequest) else accepted)
    with pytest.raises(SettingsError, match="WITIOP_MAIL_ALLOWED_DOMAINS: not an email address"):
        load(mail_allowed_domains="example.com,@")


def test_without_a_sender_every_mail_is_rejected() -> None:
    """It would wait for a process that only stands by."""
    assert Rejection.MAILS_DISABLED == accept_email(email(), mail_policy(load()))


def test_a_text_that_is_too_large_is_rejected() -> None:
    """It is in the mail twice, and characters of HTML take more than one there."""
    for text, most in (("x", MAX_TEXT_BYTES // 2), ("<", MAX_TEXT_BYTES // 5), ("ü", MAX_TEXT_BYTES // 4)):
        assert isinstance(accept_email(email(body=text * most), POLICY), MailRequest)
        assert Rejection.TOO_LARGE == accept_email(email(body=text * (most + 1)), POLICY)


def test_the_command_decides_about_masking_or_else_the_settings() -> None:
    """Not given, on and off."""
    for mask, expected in ((None, True), (True, True), (False, False)):
        accepted = accept_email(email(mask=mask), replace(POLICY, mask=True))
        assert isinstance(accepted, MailRequest)
        assert expected == accepted.masked


MAIL = Mail(
    mail_id("c1"), "c1", UUID(int=1), "boss", ("a@x.com", "b@x.com"), "s", "b", False, NOON, state="sending", attempts=1
)


def event(type_: str, *recipients: str, reason: str | None = None) -> MailEvent:
    return MailEvent(
        id=fact_id(type_, *recipients),
        at=NOON,
        sent_at=NOON,
        mail_id=MAIL.id,
        type=type_,
        recipients=recipients,
        reason=reason,
    )


def after_events(mail: Mail, *events: MailEvent) -> Mail:
    """Returns the mail after the events, each of which arrives twice."""
    for each in events:
        mail = after_event(after_event(mail, each), each)
    return mail


def test_the_outcome_of_an_attempt_decides_the_state_of_the_mail() -> None:
    """Accepted, throttled, rejected, unanswered."""
    assert ("sent", None) == _of(after_attempt(MAIL, Accepted("m"), 1))
    assert ("requested", "429") == _of(after_attempt(MAIL, TransientFailure("429"), 1))
    assert ("failed", "MessageRejected") == _of(after_attempt(MAIL, PermanentFailure("MessageRejected"), 1))
    assert ("unknown", "500") == _of(after_attempt(MAIL, OutcomeUnknown("500"), 1))


def test_an_unknown_mail_becomes_sent_only_if_ses_accepted_it() -> None:
    """A sender that was assumed dead reports late: it must not make the mail due again."""
    unknown = replace(MAIL, state="unknown", reason="x")
    for outcome in (TransientFailure("429"), PermanentFailure("r"), OutcomeUnknown("500")):
        assert unknown == after_attempt(unknown, outcome, 1)
    assert "sent" == after_attempt(unknown, Accepted("m"), 1).state


def test_the_late_outcome_of_an_earlier_attempt_counts_only_if_ses_accepted_it() -> None:
    """The attempt was given up, an administrator sent the mail again, and the next attempt has begun."""
    again = replace(MAIL, attempts=2)
    for outcome in (TransientFailure("429"), PermanentFailure("r"), OutcomeUnknown("500")):
        assert again == after_attempt(again, outcome, 1)
        assert again != after_attempt(again, outcome, 2)
    assert "sent" == after_attempt(again, Accepted("m"), 1).state


def test_the_worst_delivery_is_shown_whatever_the_order_of_events() -> None:
    """Delivered only when it was delivered to all."""
    events = [event("sent"), event("delivered", "A@X.com"), event("delivered", "b@x.com"), event("bounced", "b@x.com")]
    for order in permutations([*events, event("delivery_delay", "a@x.com")]):
        mail = replace(MAIL, state="unknown")
        for each in order:
            mail = after_event(after_event(mail, each), each)
        assert ("bounced", {"a@x.com": "delivered", "b@x.com": "bounced"}) == (mail.shown, mail.delivery)
    assert "sent" == after_event(MAIL, events[1]).shown
    assert "delivered" == after_event(after_event(MAIL, events[1]), events[2]).shown
    assert "complained" == after_event(mail, event("complained", "a@x.com")).shown


ALONE = replace(MAIL, to=("a@x.com",))


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ([("delivered", None), ("bounced", "Transient General")], ("delivered", "delivered", None)),
        ([("delivered", None), ("bounced", "Transient MailboxFull")], ("delivered", "delivered", None)),
        ([("delivered", None), ("bounced", "Undetermined Undetermined")], ("delivered", "delivered", None)),
        ([("bounced", "Transient General")], ("bounced", "bounced", None)),
        ([("bounced", "Transient General"), ("sent", None)], ("bounced", "bounced", None)),
        ([("bounced", "Transient General"), ("bounced", "Permanent General")], ("bounced", "bounced", None)),
        ([("delivered", None), ("bounced", "Permanent General")], ("bounced", "bounced", None)),
        ([("delivered", None), ("complained", "not-spam")], ("delivered", "delivered", None)),
        ([("delivered", None), ("complained", "auth-failure")], ("delivered", "delivered", None)),
        ([("sent", None), ("complained", "not-spam")], ("sent", None, None)),
        ([("delivered", None), ("complained", "abuse")], ("complained", "complained", None)),
        ([("delivered", None), ("complained", None)], ("complained", "complained", None)),
        (
            [("sent", None), ("complained", "OnAccountSuppressionList")],
            ("failed", "suppressed", "OnAccountSuppressionList"),
        ),
        (
            [("sent", None), ("bounced", "Permanent OnAccountSuppressionList")],
            ("failed", "suppressed", "OnAccountSuppressionList"),
        ),
        ([("sent", None), ("bounced", "Permanent Suppressed")], ("failed", "suppressed", "OnAccountSuppressionList")),
    ],
)
def test_an_event_counts_by_its_type_and_sub_type_whatever_the_order(
    reported: list[tuple[str, str | None]], expected: tuple[str, str | None, str | None]
) -> None:
    """What is shown for the mail, for its recipient, and the reason of a mail that was not sent."""
    events = [event(type_, "a@x.com", reason=reason) for type_, reason in reported]
    for order in permutations(events):
        for mail in (after_events(ALONE, *order), after_events(replace(ALONE, state="unknown", reason="x"), *order)):
            assert expected == (mail.shown, mail.reported("a@x.com"), mail.reason)
        answered = after_attempt(after_events(ALONE, *order), Accepted("m"), 1)
        assert expected == (answered.shown, answered.reported("a@x.com"), answered.reason)


def test_a_mail_that_one_of_two_recipients_did_not_get_is_shown_as_bounced() -> None:
    """One address is on the suppression list, the other got the mail."""
    suppressed = event("bounced", "a@x.com", reason="Permanent OnAccountSuppressionList")
    for order in permutations([event("sent"), suppressed, event("delivered", "b@x.com")]):
        mail = after_events(MAIL, *order)
        assert ("sent", "bounced", None) == (mail.state, mail.shown, mail.reason)
        assert ("suppressed", "delivered") == (mail.reported("a@x.com"), mail.reported("b@x.com"))


@given(st.data())
def test_the_order_and_the_repetition_of_events_change_nothing(data: st.DataObject) -> None:
    events = data.draw(
        st.lists(
            st.builds(
                event,
                st.sampled_from(["sent", "delivered", "bounced", "complained"]),
                st.sampled_from(MAIL.to),
                reason=st.sampled_from(
                    [None, "Transient General", "Permanent General", "Permanent Suppressed", "not-spam", "abuse"]
                ),
            ),
            max_size=6,
        )
    )
    mail = after_events(MAIL, *events)
    assert mail == after_events(MAIL, *data.draw(st.permutations(events)))


def test_an_event_of_ses_settles_an_unknown_mail_and_prevents_a_second_attempt() -> None:
    """Any delivery event proves that SES accepted the mail."""
    for state in ("unknown", "requested", "sending", "failed"):
        assert "sent" == after_event(replace(MAIL, state=state), event("bounced", "a@x.com")).state
    assert "failed" == after_event(replace(MAIL, state="sent"), event("failed")).shown
    assert "recalled" == after_event(replace(MAIL, state="recalled"), event("sent")).shown


def test_a_mail_that_ses_accepted_and_then_rejected_has_failed_whatever_the_order_of_events() -> None:
    """SES reports that it sent the mail, and then that it did not; its answer to the attempt may arrive last."""
    rejected = event("failed").model_copy(update={"reason": "Bad content"})
    steps: list[Callable[[Mail], Mail]] = [
        lambda mail: after_attempt(mail, Accepted("m"), 1),
        lambda mail: after_event(mail, event("sent")),
        lambda mail: after_event(mail, rejected),
    ]
    for order in permutations(steps):
        mail = MAIL
        for step in order:
            mail = step(mail)
        assert ("failed", "Bad content", "m") == (mail.shown, mail.reason, mail.message_id)


def test_a_delivered_mail_was_not_rejected_whatever_the_order_of_events() -> None:
    """If SES contradicts itself, the delivery counts."""
    for order in permutations([event("failed"), event("delivered", "a@x.com"), event("sent")]):
        mail = MAIL
        for each in order:
            mail = after_event(mail, each)
        assert ("sent", None, {"a@x.com": "delivered"}) == (mail.state, mail.reason, mail.delivery)


def test_events_before_the_answer_of_ses_are_not_overwritten() -> None:
    """SES may report the delivery before it answers the attempt."""
    early = after_event(MAIL, event("delivered", "a@x.com", "b@x.com"))
    assert "delivered" == after_attempt(early, Accepted("m"), 1).shown
    assert early == after_attempt(early, OutcomeUnknown("time-out"), 1)


def _of(mail: Mail) -> tuple[str, str | None]:
    return mail.state, mail.reason
