"""The webhooks for Softbot and the agent desktop: a body is accepted or rejected as a whole."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_publisher import FakePublisher
from tests.support.payloads import NUMBER, PHONE, raw
from tests.support.sightings import updates
from tests.support.webhook_app import AGENTS_SECRET, SOFTBOT_SECRET, TOPICS, from_ours
from webhook.cloud_events import BATCH, ONE

SOURCES = pytest.mark.parametrize(
    ("source", "secret"), [("softbot", SOFTBOT_SECRET), ("agents", AGENTS_SECRET)], ids=["softbot", "agents"]
)
CUSTOMER = {"phone_number_id": NUMBER, "customer": {"wa_id": PHONE}}
TYPES: dict[str, tuple[str, dict[str, Any]]] = {
    "softbot": ("witiop.softbot.session.started.v1", CUSTOMER | {"session_id": "s1"}),
    "agents": ("witiop.agents.conversation.accepted.v1", CUSTOMER | {"agent_id": "anna"}),
}


def event(source: str, event_id: str = "e1", **changed: object) -> dict[str, Any]:
    """Returns a valid event of a source."""
    kind, data = TYPES[source]
    valid = {"specversion": "1.0", "id": event_id, "source": f"/{source}", "type": kind, "data": data}
    return valid | {"time": "2026-01-01T10:00:00Z"} | changed


@SOURCES
def test_one_event_becomes_one_record(client: FlaskClient, publisher: FakePublisher, source: str, secret: str) -> None:
    one = json.dumps(event(source)).encode()

    answer = client.post(f"/webhooks/{source}", data=one, headers=from_ours(one, secret, ONE + "; charset=utf-8"))

    assert (200, b"") == (answer.status_code, answer.data)
    assert [(TOPICS.inbound, f"{NUMBER}:{PHONE}")] == [(record.topic, record.key) for record in publisher.records]


@SOURCES
def test_every_event_of_a_batch_becomes_its_own_record(
    client: FlaskClient, publisher: FakePublisher, source: str, secret: str
) -> None:
    batch = json.dumps([event(source, f"e{n}") for n in range(3)]).encode()

    answer = client.post(f"/webhooks/{source}", data=batch, headers=from_ours(batch, secret, BATCH))

    assert (200, 3) == (answer.status_code, len(publisher.records))


@SOURCES
def test_an_invalid_event_rejects_the_whole_body_and_is_named_with_its_field(
    client: FlaskClient, publisher: FakePublisher, source: str, secret: str
) -> None:
    wrong = json.dumps([event(source, "good"), event(source, "bad", data=CUSTOMER)]).encode()

    answer = client.post(f"/webhooks/{source}", data=wrong, headers=from_ours(wrong, secret, BATCH))

    assert (400, "application/problem+json", []) == (answer.status_code, answer.mimetype, publisher.records)
    field = {"softbot": "data.session_id", "agents": "data.agent_id"}[source]
    assert [(1, "bad", field)] == [(each["event"], each["id"], each["field"]) for each in answer.get_json()["errors"]]


@SOURCES
def test_a_wrong_content_type_is_rejected_by_name(
    client: FlaskClient, publisher: FakePublisher, source: str, secret: str
) -> None:
    one = json.dumps(event(source)).encode()

    answer = client.post(f"/webhooks/{source}", data=one, headers=from_ours(one, secret, "application/json"))

    assert (400, []) == (answer.status_code, publisher.records)
    assert ["Content-Type"] == [each["field"] for each in answer.get_json()["errors"]]


@SOURCES
def test_a_body_signed_with_the_secret_of_another_source_is_rejected(
    client: FlaskClient, publisher: FakePublisher, source: str, secret: str
) -> None:
    (theirs,) = {SOFTBOT_SECRET, AGENTS_SECRET} - {secret}
    one = json.dumps(event(source)).encode()

    answer = client.post(f"/webhooks/{source}", data=one, headers=from_ours(one, theirs))

    assert (401, []) == (answer.status_code, updates(publisher))


@SOURCES
def test_without_acknowledgement_the_answer_is_503(
    client: FlaskClient, publisher: FakePublisher, source: str, secret: str
) -> None:
    publisher.unreachable = True
    one = json.dumps(event(source)).encode()

    assert 503 == client.post(f"/webhooks/{source}", data=one, headers=from_ours(one, secret)).status_code


@SOURCES
def test_the_signature_is_checked_before_anything_else(client: FlaskClient, source: str, secret: str) -> None:
    answer = client.post(f"/webhooks/{source}", data=raw("text"), headers={"Content-Type": "text/plain"})

    assert 401 == answer.status_code
