"""SES events are read tolerantly: each notification is one event of one mail, or unreadable as a whole."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.facts import FACT, MailEvent, Notice, partition_key
from domain.ids import fact_id
from domain.inbound.ses_events import IDENTITY_FEEDBACK, notice_id, read_ses
from tests.support.hostile import BODIES, FRAGMENTS, places, spliced
from tests.support.sns import ARN, notification, ses_event

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
MAIL = UUID(int=7)
BOUNCED = {
    "timestamp": "2026-07-01T11:59:00.000Z",
    "bounceType": "Permanent",
    "bounceSubType": "General",
    "bouncedRecipients": [{"emailAddress": "a@example.com"}, {"emailAddress": "B <b@example.com>"}],
}


def read(kind: str, **part: Any) -> MailEvent:
    reading = read_ses(json.dumps(notification(ses_event(kind, MAIL, **part))).encode(), NOON)
    (fact,) = reading.facts
    assert isinstance(fact, MailEvent)
    return fact


def test_a_bounce_names_its_recipients_and_its_reason() -> None:
    """The event has the time of the bounce, and an id derived from SNS's message id."""
    at = NOON.replace(hour=11, minute=59)
    expected = MailEvent(
        id=fact_id("ses", ARN, "m1"),
        at=at,
        sent_at=at,
        mail_id=MAIL,
        type="bounced",
        recipients=("a@example.com", "b@example.com"),
        reason="Permanent General",
    )
    found = read("Bounce", **BOUNCED)
    assert expected == found
    assert (found, f"mail:{MAIL}") == (FACT.validate_json(FACT.dump_json(found)), partition_key(found))


def test_the_other_event_types_are_read() -> None:
    """Sent, delivered, complained and rejected. Other types keep SES's name."""
    assert ("sent", ()) == _of(read("Send"))
    assert ("delivered", ("a@example.com",)) == _of(read("Delivery", recipients=["a@example.com"]))
    complaint = read("Complaint", complainedRecipients=[{"emailAddress": "a@x.com"}], complaintFeedbackType="abuse")
    assert (("complained", ("a@x.com",)), "abuse") == (_of(complaint), complaint.reason)
    suppressed = read("Complaint", complainedRecipients=[], complaintSubType="OnAccountSuppressionList")
    assert "OnAccountSuppressionList" == suppressed.reason
    assert ("failed", "Bad content") == (
        read("Reject", reason="Bad content").type,
        read("Reject", reason="Bad content").reason,
    )
    assert ("DeliveryDelay", ()) == _of(read("DeliveryDelay"))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("a message that somebody published by hand", "Message: must be JSON of an SES event"),
        (
            '{"eventType":"A","mail":{"tags":{"witiop_mail":[]}}}',
            "mail.tags.witiop_mail: must be a non-empty string",
        ),
        ('{"eventType":"Send"}', "mail.tags.witiop_mail: must be a non-empty string"),
        (ses_event("Send", MAIL).replace(str(MAIL), "x"), "mail.tags.witiop_mail: must be the id of a mail"),
        ("{}", "eventType: must be a non-empty string"),
    ],
)
def test_a_notification_that_cannot_be_read_is_unreadable_as_a_whole(message: str, reason: str) -> None:
    """The reason names the invalid field and quotes nothing of the notification."""
    body = json.dumps(notification(message)).encode()
    (unreadable,) = read_ses(body, NOON).unreadable
    assert (body, reason) == (unreadable.raw, unreadable.reason)


OTHERS = {
    "Successfully validated SNS topic for Amazon SES event publishing.": "ses.greeting",
    json.dumps({"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have ..."}): IDENTITY_FEEDBACK,
    json.dumps(
        {
            "notificationType": "Bounce",
            "bounce": BOUNCED,
            "mail": {"timestamp": "2026-07-01T11:59:00Z", "messageId": "x", "destination": ["a@example.com"]},
        }
    ): IDENTITY_FEEDBACK,
    json.dumps({"notificationType": "Received", "mail": {}, "receipt": {}}): IDENTITY_FEEDBACK,
    json.dumps({"eventType": "Bounce", "bounce": BOUNCED, "mail": {"tags": {"ses:caller-identity": ["shop"]}}}): (
        "ses.other_mail"
    ),
    json.dumps({"eventType": "Open", "open": {}, "mail": {"destination": ["a@example.com"]}}): "ses.other_mail",
}
"""Messages that name no mail of ours -> the notice that they become."""


@pytest.mark.parametrize("message", OTHERS, ids=range(len(OTHERS)))
def test_a_notification_that_names_no_mail_of_ours_is_one_notice_a_day_and_no_dead_letter(message: str) -> None:
    """The notice has no content: other programs' recipients are no business of ours."""

    def read_at(at: datetime, id_: str) -> Notice:
        (fact,) = read_ses(json.dumps(notification(message, MessageId=id_)).encode(), at).facts
        assert isinstance(fact, Notice)
        return fact

    first = read_at(NOON, "m1")
    assert (OTHERS[message], ARN, {}) == (first.field, first.account_id, first.body)
    assert first.id == notice_id(ARN, OTHERS[message], NOON.date()) == read_at(NOON + timedelta(hours=3), "m2").id
    assert first.id != read_at(NOON + timedelta(days=1), "m1").id


def test_hostile_notifications_never_raise_and_their_facts_are_storable() -> None:
    """Tests every fragment at every place of an event, and every hostile body."""
    event = json.loads(ses_event("Bounce", MAIL, **BOUNCED))
    bodies = [body for _, body in BODIES]
    for place in places(event):
        for _, fragment in FRAGMENTS:
            message = spliced(event, place, fragment).decode("utf-8", "surrogateescape")
            bodies.append(json.dumps(notification(message)).encode())
    for body in bodies:
        reading = read_ses(body, NOON)
        assert 1 == len(reading.facts) + len(reading.unreadable)
        for fact in reading.facts:
            stored = FACT.dump_json(fact)
            assert b"\\u0000" not in stored
            assert fact == FACT.validate_json(stored)


def _of(event: MailEvent) -> tuple[str, tuple[str, ...]]:
    return event.type, event.recipients
