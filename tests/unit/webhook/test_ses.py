"""`POST /webhooks/ses`: what Amazon signed for our topic is kept before it is answered; nobody else is believed."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from domain.facts import FACT, MailEvent
from infra.ses.notifications import MAX_BYTES, CertificateUnavailable, Notifications
from tests.support.fake_publisher import FakePublisher
from tests.support.sns import ARN, CERTIFICATE, certificate, notification, ses_event, signed, subscription
from tests.support.webhook_app import TOPICS, webhook_app

MAIL = UUID(int=7)
SENT = ses_event("Send", MAIL)


class Amazon:
    """Hands out the certificate, and remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away = False
        self.meanwhile: Callable[[str], None] = lambda _: None

    def fetch(self, address: str) -> bytes:
        if self.away:
            raise CertificateUnavailable("TimeoutError")
        self.asked.append(address)
        self.meanwhile(address)
        return certificate()


class Webhook:
    """The application, the broker and Amazon behind it."""

    def __init__(self) -> None:
        self.amazon = Amazon()
        self.publisher = FakePublisher()
        notifications = Notifications([ARN], self.amazon.fetch)
        app = webhook_app(self.publisher, CollectorRegistry(), notifications=notifications)
        self.client: FlaskClient = app.test_client()

    def post(self, envelope: object) -> TestResponse:
        return self.client.post("/webhooks/ses", data=json.dumps(envelope), content_type="text/plain; charset=UTF-8")


@pytest.fixture
def webhook() -> Webhook:
    return Webhook()


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("more", [{}, {"Subject": "Amazon SES Email Event Notification"}])
def test_a_signed_notification_is_kept(webhook: Webhook, version: str, more: dict[str, str]) -> None:
    """With either version of SNS's signature, with and without a subject."""
    assert 200 == webhook.post(signed(notification(SENT, **more), version)).status_code
    (record,) = webhook.publisher.on(TOPICS.inbound)
    fact = FACT.validate_json(record.value)
    assert isinstance(fact, MailEvent)
    assert (f"mail:{MAIL}", MAIL, "sent") == (record.key, fact.mail_id, fact.type)


def test_the_certificate_is_fetched_once(webhook: Webhook) -> None:
    """Amazon changes it about once a year."""
    for _ in range(3):
        webhook.post(signed(notification(SENT)))
    assert [CERTIFICATE] == webhook.amazon.asked


def test_what_is_larger_than_sns_sends_is_refused_before_it_is_read(webhook: Webhook) -> None:
    """Whoever sent it proved nothing yet; a signature that fits does not help it."""
    large = signed(notification(SENT + " " * MAX_BYTES))
    assert 401 == webhook.post(large).status_code
    assert [] == webhook.amazon.asked


ALTERED: list[tuple[str, dict[str, Any]]] = [
    ("message", {"Message": ses_event("Send", UUID(int=8))}),
    ("message id", {"MessageId": "m2"}),
    ("time", {"Timestamp": "2026-07-02T12:00:00.000Z"}),
    ("subject added", {"Subject": "x"}),
    ("type", {"Type": "SubscriptionConfirmation"}),
    ("unknown type", {"Type": "x"}),
    ("version", {"SignatureVersion": "1"}),
    ("unknown version", {"SignatureVersion": "3"}),
    ("signature", {"Signature": "AAAA"}),
    ("signature that is none", {"Signature": "ü"}),
    ("no signature", {"Signature": None}),
    ("message that is no text", {"Message": 1}),
    ("topic", {"TopicArn": ARN + "x"}),
]


@pytest.mark.parametrize("change", [change for _, change in ALTERED], ids=[name for name, _ in ALTERED])
def test_what_was_altered_is_not_believed(webhook: Webhook, change: dict[str, Any]) -> None:
    """401, and nothing is kept."""
    assert 401 == webhook.post(signed(notification(SENT)) | change).status_code
    assert [] == webhook.publisher.records


@pytest.mark.parametrize(
    "address",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-abc.pem",
        "https://evil.example/SimpleNotificationService-abc.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-abc.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-abc.pem",
        "https://evil.s3.amazonaws.com/SimpleNotificationService-abc.pem",
        "https://sns.eu-west-1.amazonaws.com/?x=/SimpleNotificationService-abc.pem",
        "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-abc.pem",
        "https://sns.eu-west-2.amazonaws.com/SimpleNotificationService-abc.pem",
        "file:///etc/passwd",
        None,
    ],
)
def test_no_certificate_is_fetched_from_anybody_else(webhook: Webhook, address: str | None) -> None:
    """Nor from a place at Amazon where others write, nor from another region than the topic's."""
    assert 401 == webhook.post(signed(notification(SENT)) | {"SigningCertURL": address}).status_code
    assert [] == webhook.amazon.asked


def test_nothing_is_fetched_for_a_topic_that_is_not_ours(webhook: Webhook) -> None:
    """Whoever signed it."""
    assert 401 == webhook.post(signed(notification(SENT, TopicArn="arn:aws:sns:x:1:other"))).status_code
    assert [] == webhook.amazon.asked


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_envelope_is_not_believed(webhook: Webhook, body: bytes) -> None:
    """Whatever it is."""
    assert 401 == webhook.client.post("/webhooks/ses", data=body).status_code


def test_while_the_certificate_cannot_be_had_it_is_to_be_sent_again(webhook: Webhook) -> None:
    """503 with Retry-After: SNS tries for weeks."""
    webhook.amazon.away = True
    answer = webhook.post(signed(notification(SENT)))
    assert (503, True) == (answer.status_code, "Retry-After" in answer.headers)
    webhook.amazon.away = False
    assert 200 == webhook.post(signed(notification(SENT))).status_code


def test_one_certificate_is_fetched_at_a_time_and_others_are_to_be_sent_again(webhook: Webhook) -> None:
    """Whoever knows the topic can name new ones for ever: they take one thread, not all. What is known is believed
    meanwhile."""
    assert 200 == webhook.post(signed(notification(SENT))).status_code
    other = {"SigningCertURL": CERTIFICATE.replace("abc123", "def456")}
    inside: list[int] = []

    def meanwhile(address: str) -> None:
        webhook.amazon.meanwhile = lambda _: None
        inside.append(webhook.post(signed(notification(SENT)) | {"SigningCertURL": f"{address[:-4]}7.pem"}).status_code)
        inside.append(webhook.post(signed(notification(SENT))).status_code)

    webhook.amazon.meanwhile = meanwhile
    assert 200 == webhook.post(signed(notification(SENT)) | other).status_code
    assert [503, 200] == inside


def test_while_the_broker_is_away_it_is_to_be_sent_again(webhook: Webhook) -> None:
    """Never a false 200."""
    webhook.publisher.unreachable = True
    assert 503 == webhook.post(signed(notification(SENT))).status_code


def test_a_subscription_to_our_topic_is_confirmed(webhook: Webhook) -> None:
    """At the address that Amazon signed; nothing is kept."""
    asked = subscription()
    assert 200 == webhook.post(signed(asked)).status_code
    assert [CERTIFICATE, asked["SubscribeURL"]] == webhook.amazon.asked
    assert [] == webhook.publisher.records


@pytest.mark.parametrize("address", ["https://evil.example/?Action=x", "https://sns.eu-west-1.amazonaws.com/x"])
def test_no_subscription_is_confirmed_elsewhere(webhook: Webhook, address: str) -> None:
    """Also where it is signed."""
    assert 401 == webhook.post(signed(subscription() | {"SubscribeURL": address})).status_code
    assert [CERTIFICATE] == webhook.amazon.asked


def test_the_end_of_a_subscription_is_only_taken_note_of(webhook: Webhook) -> None:
    """Its address would subscribe again."""
    assert 200 == webhook.post(signed(subscription() | {"Type": "UnsubscribeConfirmation"})).status_code
    assert [CERTIFICATE] == webhook.amazon.asked


def test_what_is_signed_but_not_ours_to_read_is_kept_as_it_came(webhook: Webhook) -> None:
    """As SES's first word to a new topic."""
    envelope = signed(notification("Successfully validated SNS topic for Amazon SES event publishing."))
    assert 200 == webhook.post(envelope).status_code
    (record,) = webhook.publisher.on(TOPICS.unreadable)
    assert (envelope, b"ses") == (json.loads(record.value), dict(record.headers)["witiop_source"])


def test_without_a_topic_nobody_is_believed() -> None:
    """The default of the settings."""
    app = webhook_app(FakePublisher(), CollectorRegistry())
    assert 401 == app.test_client().post("/webhooks/ses", data=json.dumps(signed(notification(SENT)))).status_code
