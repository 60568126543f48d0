"""What the webhook tells of besides updates: a handshake, other secrets, Meta's client certificate, SNS."""

import json

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from tests.support.fake_publisher import FakePublisher
from tests.support.payloads import raw
from tests.support.sightings import told, updates
from tests.support.webhook_app import AGENTS_SECRET, SOFTBOT_SECRET, VERIFY_TOKEN, from_meta, from_ours, webhook_app

PATH = "/webhooks/whatsapp"
ASKED = {"hub.mode": "subscribe", "hub.challenge": "1"}
META = "CN=client.webhooks.fbclientcerts.com,O=Meta Platforms\\, Inc.,C=US"
NOT_ALONE = (f"{META},CN=other.example", "O=x\\,CN=client.webhooks.fbclientcerts.com,CN=other.example")
"""A client's own header beside that of the proxy; a certificate of somebody else that names Meta."""


def test_a_handshake_is_told_once_however_often_it_is_repeated(client: FlaskClient, publisher: FakePublisher) -> None:
    for _ in range(3):
        assert 200 == client.get(PATH, query_string=ASKED | {"hub.verify_token": VERIFY_TOKEN}).status_code
    assert ["handshake"] == told(publisher)


def test_a_handshake_with_another_token_is_told_and_a_stranger_is_not(
    client: FlaskClient, publisher: FakePublisher
) -> None:
    assert 403 == client.get(PATH).status_code
    assert [] == told(publisher)
    assert 403 == client.get(PATH, query_string=ASKED | {"hub.verify_token": "of another app"}).status_code
    assert ["handshake_refused"] == told(publisher)


@pytest.mark.parametrize(
    ("path", "headers", "event"),
    [
        (PATH, from_meta(raw("text"), "another app"), "whatsapp_refused"),
        ("/webhooks/softbot", from_ours(raw("text"), AGENTS_SECRET), "softbot_refused"),
        ("/webhooks/agents", from_ours(raw("text"), SOFTBOT_SECRET), "agents_refused"),
        ("/webhooks/ses", {"x-amz-sns-message-type": "Notification"}, "sns_refused"),
    ],
)
def test_what_another_secret_signed_is_told_and_what_nobody_signed_is_not(
    client: FlaskClient, publisher: FakePublisher, path: str, headers: dict[str, str], event: str
) -> None:
    assert 401 == client.post(path, data=raw("text")).status_code
    assert [] == told(publisher)
    assert [401, 401] == [client.post(path, data=raw("text"), headers=headers).status_code for _ in range(2)]
    assert ([event], []) == (told(publisher), updates(publisher))


def test_a_broker_that_is_away_changes_no_answer(client: FlaskClient, publisher: FakePublisher) -> None:
    publisher.unreachable = True
    assert 200 == client.get(PATH, query_string=ASKED | {"hub.verify_token": VERIFY_TOKEN}).status_code
    assert 401 == client.post(PATH, data=raw("text"), headers=from_meta(raw("text"), "another app")).status_code


def test_where_metas_certificate_is_asked_for_nothing_is_taken_without_it(publisher: FakePublisher) -> None:
    client = webhook_app(publisher, CollectorRegistry(), client_header="X-Client-Subject").test_client()
    signed = from_meta(raw("text"))
    for subject in (None, "", "CN=client.webhooks.fbclientcerts.com.evil.example", "O=CN=other", *NOT_ALONE):
        headers = signed | ({"X-Client-Subject": subject} if subject is not None else {})
        assert 401 == client.post(PATH, data=raw("text"), headers=headers).status_code
    assert (["client_certificate_missing"], []) == (told(publisher), updates(publisher))
    for subject in (META, "/C=US/O=Meta/CN=client.webhooks.fbclientcerts.com"):
        assert 200 == client.post(PATH, data=raw("text"), headers=signed | {"X-Client-Subject": subject}).status_code
    assert ["client_certificate_missing", "client_certificate"] == told(publisher)
    assert 2 == len(updates(publisher))


def test_a_notice_names_nobody(client: FlaskClient, publisher: FakePublisher) -> None:
    client.post(PATH, data=raw("text"), headers=from_meta(raw("text"), "another app"))
    (record,) = publisher.records
    assert {"event": "whatsapp_refused"} == json.loads(record.value)["body"]
