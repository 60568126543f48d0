"""Behaviour that all paths share: health, error responses that quote nothing of the request, and metrics."""

import json

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from tests.support.fake_publisher import FakePublisher
from tests.support.payloads import raw
from tests.support.webhook_app import SOFTBOT_SECRET, from_meta, from_ours, webhook_app
from webhook.app import WebhookSecrets
from webhook.cloud_events import BATCH

CANARY = "Canary 447700900999"


def test_with_a_broker_the_webhook_is_alive_and_ready(client: FlaskClient) -> None:
    assert (200, 200) == (client.get("/healthz").status_code, client.get("/readyz").status_code)


def test_without_a_broker_the_webhook_is_alive_but_not_ready_and_says_why(
    client: FlaskClient, publisher: FakePublisher
) -> None:
    publisher.unreachable = True

    answer = client.get("/readyz")

    assert 200 == client.get("/healthz").status_code
    assert (503, {"ready": False, "missing": ["kafka: no answer"]}) == (answer.status_code, answer.get_json())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/{CANARY}", 404),
        ("PUT", "/webhooks/whatsapp", 405),
        ("GET", "/webhooks/softbot", 405),
        ("POST", "/webhooks/whatsapp", 401),
        ("GET", f"/webhooks/whatsapp?hub.verify_token={CANARY}", 403),
    ],
)
def test_every_error_response_is_a_problem_document_that_quotes_nothing_of_the_request(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method, data=CANARY)

    assert (status, "application/problem+json") == (answer.status_code, answer.mimetype)
    assert status == answer.get_json()["status"]
    assert "Canary" not in answer.text


def test_a_rejected_event_is_not_quoted_in_the_response(client: FlaskClient) -> None:
    wrong = json.dumps([{"specversion": "1.0", "id": "1", "source": "/s", "type": CANARY, "data": CANARY}]).encode()

    answer = client.post("/webhooks/softbot", data=wrong, headers=from_ours(wrong, SOFTBOT_SECRET, BATCH))

    assert 400 == answer.status_code
    assert "Canary" not in answer.text


def test_an_internal_error_is_answered_without_traceback_or_message(registry: CollectorRegistry) -> None:
    class Broken(FakePublisher):
        def not_ready_reasons(self) -> tuple[str, ...]:
            raise RuntimeError(CANARY)

    answer = webhook_app(Broken(), registry).test_client().get("/readyz")

    assert (500, "application/problem+json") == (answer.status_code, answer.mimetype)
    assert "Canary" not in answer.text


def test_requests_updates_and_records_are_counted(client: FlaskClient, registry: CollectorRegistry) -> None:
    client.post("/webhooks/whatsapp", data=raw("text"), headers=from_meta(raw("text")))
    client.post("/webhooks/whatsapp", data=b"?", headers=from_meta(b"?"))
    client.post("/webhooks/whatsapp", data=b"?")
    client.get(f"/{CANARY}")

    path = "/webhooks/whatsapp"
    counted: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {
        ("witiop_webhook_requests_total", (("path", path), ("outcome", "ok"))): 2,
        ("witiop_webhook_requests_total", (("path", path), ("outcome", "not_signed"))): 1,
        ("witiop_webhook_requests_total", (("path", "other"), ("outcome", "other"))): 1,
        ("witiop_webhook_updates_total", (("source", "whatsapp"), ("kind", "customer_turn"))): 1,
        ("witiop_webhook_unreadable_total", (("source", "whatsapp"),)): 1,
        ("witiop_webhook_records_acknowledged_total", ()): 2,
        ("witiop_webhook_publish_seconds_count", ()): 2,
    }
    assert counted == {(name, labels): registry.get_sample_value(name, dict(labels)) for name, labels in counted}


def test_every_metric_has_a_help_text(client: FlaskClient, registry: CollectorRegistry) -> None:
    assert [] == [metric.name for metric in registry.collect() if not metric.documentation.endswith(".")]


@pytest.mark.parametrize("empty", ["whatsapp", "softbot", "agents", "verify_token"])
def test_an_empty_secret_is_rejected_at_startup(empty: str) -> None:
    secrets = {"whatsapp": (b"w",), "softbot": (b"s",), "agents": (b"a",), "verify_token": "v"}
    secrets[empty] = "" if empty == "verify_token" else (b"",)

    with pytest.raises(ValueError, match="empty secret"):
        WebhookSecrets(**secrets)  # type: ignore[arg-type]


def test_secrets_are_not_part_of_the_repr() -> None:
    assert "Canary" not in repr(WebhookSecrets((CANARY.encode(),), CANARY, (CANARY.encode(),), (CANARY.encode(),)))
