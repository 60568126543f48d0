"""`POST /webhooks/ses`: messages that Amazon signed for our topic are published, all others are rejected."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from domain.facts import FACT, MailEvent
from infra.ses import sns
from infra.ses.sns import MAX_BYTES, CertificateUnavailable, NotificationRejected, Notifications
from tests.support.fake_publisher import FakePublisher
from tests.support.hostile import BODIES, FRAGMENTS, places, spliced
from tests.support.sightings import told, updates
from tests.support.sns import ARN, CERTIFICATE, certificate, notification, ses_event, signed, subscription
from tests.support.webhook_app import TOPICS, webhook_app

MAIL = UUID(int=7)
SENT = ses_event("Send", MAIL)


class Amazon:
    """Returns the certificate, and records the requested addresses in `requested`."""

    def __init__(self) -> None:
        self.requested: list[str] = []
        self.unreachable = False
        self.during_fetch: Callable[[str], None] = lambda _: None

    def fetch(self, address: str) -> bytes:
        if self.unreachable:
            raise CertificateUnavailable("TimeoutError")
        self.requested.append(address)
        self.during_fetch(address)
        return certificate()


class Webhook:
    """The application, with a fake publisher and a fake Amazon."""

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
def test_a_signed_notification_is_published(webhook: Webhook, version: str, more: dict[str, str]) -> None:
    """Both versions of SNS's signature are accepted, with and without a subject."""
    assert 200 == webhook.post(signed(notification(SENT, **more), version)).status_code
    (record,) = webhook.publisher.on(TOPICS.inbound)
    fact = FACT.validate_json(record.value)
    assert isinstance(fact, MailEvent)
    assert (f"mail:{MAIL}", MAIL, "sent") == (record.key, fact.mail_id, fact.type)


def test_the_certificate_is_fetched_only_once(webhook: Webhook) -> None:
    """Amazon changes it about once a year."""
    for _ in range(3):
        webhook.post(signed(notification(SENT)))
    assert [CERTIFICATE] == webhook.amazon.requested


def test_a_body_larger_than_sns_sends_is_rejected_before_it_is_parsed(webhook: Webhook) -> None:
    """The sender is not verified at this point, so even a valid signature makes no difference."""
    large = signed(notification(SENT + " " * MAX_BYTES))
    assert 401 == webhook.post(large).status_code
    assert [] == webhook.amazon.requested


FIELDS = ("Type", "TopicArn", "SignatureVersion", "Signature", "SigningCertURL", "Message", "Timestamp", "Subject")

ENVELOPE = signed(notification(SENT))


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "x"]), inner, max_size=3)


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
    ("signature that is not base64", {"Signature": "ü"}),
    ("no signature", {"Signature": None}),
    ("message that is not a string", {"Message": 1}),
    ("topic", {"TopicArn": ARN + "x"}),
]


@pytest.mark.parametrize("change", [change for _, change in ALTERED], ids=[name for name, _ in ALTERED])
def test_an_altered_message_is_rejected(webhook: Webhook, change: dict[str, Any]) -> None:
    """The answer is 401, and nothing is published."""
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
def test_no_certificate_is_fetched_from_other_hosts(webhook: Webhook, address: str | None) -> None:
    """Nor from an Amazon host that others can write to, nor from another region than the topic's."""
    assert 401 == webhook.post(signed(notification(SENT)) | {"SigningCertURL": address}).status_code
    assert [] == webhook.amazon.requested


def test_nothing_is_fetched_for_a_topic_that_is_not_ours(webhook: Webhook) -> None:
    """The signature is not even checked."""
    assert 401 == webhook.post(signed(notification(SENT, TopicArn="arn:aws:sns:x:1:other"))).status_code
    assert [] == webhook.amazon.requested


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_an_envelope_is_rejected(webhook: Webhook, body: bytes) -> None:
    """Its content does not matter."""
    assert 401 == webhook.client.post("/webhooks/ses", data=body).status_code


def test_no_unsigned_body_is_more_than_rejected(webhook: Webhook) -> None:
    """Every hostile value at every place of an envelope, and every hostile body: 401, never a server error."""
    envelope = signed(notification(SENT, Subject="s")) | {"MessageId": "altered"}
    bodies = [body for _, body in BODIES]
    for place in places(envelope):
        bodies += [spliced(envelope, place, fragment) for _, fragment in FRAGMENTS]
        bodies += [spliced(envelope, place, fragment) for fragment in (b"[]", b'{"a": []}', f'["{ARN}"]'.encode())]
    answers = {webhook.client.post("/webhooks/ses", data=body).status_code for body in bodies}
    assert ({401}, []) == (answers, webhook.publisher.records)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), _containers))
def test_no_unsigned_json_is_more_than_rejected(value: Any) -> None:
    """Alone, and as each field of an envelope of our topic."""
    notifications = Notifications([ARN], Amazon().fetch)
    for body in (value, *(ENVELOPE | {"MessageId": "m2", name: value} for name in FIELDS)):
        with pytest.raises(NotificationRejected):
            notifications.receive(json.dumps(body).encode())


def test_while_the_certificate_is_unavailable_the_answer_is_503(webhook: Webhook) -> None:
    """With Retry-After: SNS repeats the message for weeks."""
    webhook.amazon.unreachable = True
    answer = webhook.post(signed(notification(SENT)))
    assert (503, True) == (answer.status_code, "Retry-After" in answer.headers)
    webhook.amazon.unreachable = False
    assert 200 == webhook.post(signed(notification(SENT))).status_code


def test_certificates_are_fetched_one_at_a_time_and_further_requests_get_503(webhook: Webhook) -> None:
    """A sender that knows the topic can name new certificates for ever: they block one thread, not all. Messages signed
    with a cached certificate are accepted meanwhile."""
    assert 200 == webhook.post(signed(notification(SENT))).status_code
    other = {"SigningCertURL": CERTIFICATE.replace("abc123", "def456")}
    inside: list[int] = []

    def during_fetch(address: str) -> None:
        webhook.amazon.during_fetch = lambda _: None
        inside.append(webhook.post(signed(notification(SENT)) | {"SigningCertURL": f"{address[:-4]}7.pem"}).status_code)
        inside.append(webhook.post(signed(notification(SENT))).status_code)

    webhook.amazon.during_fetch = during_fetch
    assert 200 == webhook.post(signed(notification(SENT)) | other).status_code
    assert [503, 200] == inside


def test_a_stranger_who_does_not_know_the_topic_costs_no_parsing(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`[{},{},...]` takes a tenth of a second of the only processor that all senders share."""
    monkeypatch.setattr(sns, "parse", lambda _: pytest.fail("it was parsed"))
    assert 401 == webhook.post([{}] * 90_000).status_code


def test_strangers_never_hold_all_threads_of_the_webhook(webhook: Webhook) -> None:
    """Large bodies of Meta need a thread too. One who knows the topic gets a few at most; SNS repeats a message that
    was answered with 503."""
    arrived, release = threading.Semaphore(0), threading.Event()

    def during_fetch(address: str) -> None:
        if address != CERTIFICATE:
            arrived.release()
            release.wait()

    webhook.post(signed(notification(SENT)))  # so that the certificate is known
    webhook.amazon.during_fetch = during_fetch
    with ThreadPoolExecutor(8) as senders:
        held = [senders.submit(webhook.post, signed(subscription())) for _ in range(8)]
        for _ in held:
            arrived.acquire()
        refused = webhook.post(signed(notification(SENT)))
        release.set()
        assert {200} == {answer.result().status_code for answer in held}
    assert (503, "2") == (refused.status_code, refused.headers["Retry-After"])
    assert 200 == webhook.post(signed(notification(SENT))).status_code


def test_without_a_broker_the_answer_is_503(webhook: Webhook) -> None:
    """A 200 is only sent after acknowledgement."""
    webhook.publisher.unreachable = True
    assert 503 == webhook.post(signed(notification(SENT))).status_code


def test_a_subscription_to_our_topic_is_confirmed(webhook: Webhook) -> None:
    """The address that Amazon signed is fetched, and only that it was confirmed is published."""
    message = subscription()
    assert 200 == webhook.post(signed(message)).status_code
    assert [CERTIFICATE, message["SubscribeURL"]] == webhook.amazon.requested
    assert ([], ["sns_confirmed"]) == (updates(webhook.publisher), told(webhook.publisher))


@pytest.mark.parametrize("address", ["https://evil.example/?Action=x", "https://sns.eu-west-1.amazonaws.com/x"])
def test_a_subscription_is_not_confirmed_at_another_address(webhook: Webhook, address: str) -> None:
    """Even if the message is signed."""
    assert 401 == webhook.post(signed(subscription() | {"SubscribeURL": address})).status_code
    assert [CERTIFICATE] == webhook.amazon.requested


def test_the_end_of_a_subscription_is_only_logged(webhook: Webhook) -> None:
    """Fetching its address would subscribe again."""
    assert 200 == webhook.post(signed(subscription() | {"Type": "UnsubscribeConfirmation"})).status_code
    assert [CERTIFICATE] == webhook.amazon.requested


def test_a_signed_message_that_cannot_be_read_is_stored_as_received(webhook: Webhook) -> None:
    """For example, what somebody published to the topic by hand."""
    envelope = signed(notification("hello"))
    assert 200 == webhook.post(envelope).status_code
    (record,) = webhook.publisher.on(TOPICS.unreadable)
    assert (envelope, b"ses") == (json.loads(record.value), dict(record.headers)["witiop_source"])


def test_without_a_configured_topic_every_message_is_rejected() -> None:
    """This is the default of the settings."""
    app = webhook_app(FakePublisher(), CollectorRegistry())
    assert 401 == app.test_client().post("/webhooks/ses", data=json.dumps(signed(notification(SENT)))).status_code
