"""What every path has in common: health, refusals without a word of what was sent, and what is counted."""

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


def test_it_is_alive_and_ready_while_the_broker_is_there(client: FlaskClient) -> None:
    assert (200, 200) == (client.get("/healthz").status_code, client.get("/readyz").status_code)


def test_without_a_broker_it_is_alive_but_not_ready_and_says_what_is_missing(
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
def test_every_refusal_is_a_problem_document_without_a_word_of_what_was_sent(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method, data=CANARY)

    assert (status, "application/problem+json") == (answer.status_code, answer.mimetype)
    assert status == answer.get_json()["status"]
    assert "Canary" not in answer.text


def test_a_refused_event_is_not_repeated_in_the_answer(client: FlaskClient) -> None:
    wrong = json.dumps([{"specversion": "1.0", "id": "1", "source": "/s", "type": CANARY, "data": CANARY}]).encode()

    answer = client.post("/webhooks/softbot", data=wrong, headers=from_ours(wrong, SOFTBOT_SECRET, BATCH))

    assert 400 == answer.status_code
    assert "Canary" not in answer.text


def test_an_error_of_ours_is_answered_without_traceback_or_text(registry: CollectorRegistry) -> None:
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


def test_every_metric_says_what_it_means(client: FlaskClient, registry: CollectorRegistry) -> None:
    assert [] == [metric.name for metric in registry.collect() if not metric.documentation.endswith(".")]


@pytest.mark.parametrize("empty", ["whatsapp", "softbot", "agents", "verify_token"])
def test_an_empty_secret_stops_the_start(empty: str) -> None:
    given = {"whatsapp": (b"w",), "softbot": (b"s",), "agents": (b"a",), "verify_token": "v"}
    given[empty] = "" if empty == "verify_token" else (b"",)

    with pytest.raises(ValueError, match="empty secret"):
        WebhookSecrets(**given)  # type: ignore[arg-type]


def test_secrets_do_not_show_where_they_are_printed() -> None:
    assert "Canary" not in repr(WebhookSecrets((CANARY.encode(),), CANARY, (CANARY.encode(),), (CANARY.encode(),)))
