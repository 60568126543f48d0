"""A request is answered once its outcome is known, whichever of the two comes first."""

import time

import pytest
from prometheus_client import CollectorRegistry

from domain.ports import PublishFailed, RecordPosition
from infra.serving.response import Response
from tests.support.waiting import wait_until
from webhook.answer import AnswerDeadlines, AnswerWhenStored, Receipt
from webhook.metrics import WebhookMetrics

STORED, FAILED = [RecordPosition(0, 1)], PublishFailed("kafka: no answer")


@pytest.mark.parametrize("settled_first", [True, False])
@pytest.mark.parametrize(("outcome", "status"), [(STORED, None), (FAILED, 503)])
def test_the_answer_is_sent_once(settled_first: bool, outcome: list[RecordPosition], status: int | None) -> None:
    answer = AnswerWhenStored(Receipt("/webhooks/whatsapp", "whatsapp", ["notice"], 0), WebhookMetrics(_registry()))
    sent: list[Response | None] = []
    if settled_first:
        answer.settle(outcome)
    answer.send_to(sent.append)
    if not settled_first:
        answer.settle(outcome)

    assert [status] == [response and response.status for response in sent]


def test_a_broker_that_hangs_keeps_no_sender_waiting() -> None:
    """The answer at the deadline is 503, and an acknowledgement that comes later changes nothing."""
    answer = AnswerWhenStored(Receipt("/webhooks/whatsapp", "whatsapp", ["notice"], 0), WebhookMetrics(_registry()))
    sent: list[Response | None] = []
    answer.send_to(sent.append)
    AnswerDeadlines().add(answer, time.monotonic())
    wait_until(lambda: bool(sent))
    answer.settle(STORED)
    assert [503] == [response and response.status for response in sent]


def test_an_answer_that_cannot_be_sent_keeps_no_other_waiting() -> None:
    deadlines = AnswerDeadlines()
    tried: list[Response | None] = []
    sent: list[Response | None] = []

    def cannot(response: Response | None) -> None:
        tried.append(response)
        raise RuntimeError

    for send, done in ((cannot, tried), (sent.append, sent)):
        receipt = Receipt("/webhooks/whatsapp", "whatsapp", ["notice"], 0)
        answer = AnswerWhenStored(receipt, WebhookMetrics(_registry()))
        answer.send_to(send)
        deadlines.add(answer, time.monotonic())
        wait_until(lambda done=done: bool(done))  # type: ignore[misc]  # a default of a lambda has no type
    assert [503] == [response and response.status for response in sent]


def test_an_answer_that_was_given_in_time_is_not_given_again() -> None:
    answer = AnswerWhenStored(Receipt("/webhooks/whatsapp", "whatsapp", ["notice"], 0), WebhookMetrics(_registry()))
    sent: list[Response | None] = []
    answer.send_to(sent.append)
    answer.settle(STORED)
    answer.give_up()
    assert [None] == sent


def test_the_metrics_count_what_was_answered_and_stored() -> None:
    registry = _registry()
    metrics = WebhookMetrics(registry)
    for outcome in (STORED, FAILED):
        answer = AnswerWhenStored(Receipt("/webhooks/whatsapp", "whatsapp", ["notice"], 1), metrics)
        answer.settle(outcome)
        answer.send_to(lambda _: None)

    def requests(outcome: str) -> float | None:
        labels = {"path": "/webhooks/whatsapp", "outcome": outcome}
        return registry.get_sample_value("witiop_webhook_requests_total", labels)

    assert (1, 1) == (requests("ok"), requests("not_acknowledged"))
    assert 2 == registry.get_sample_value("witiop_webhook_records_acknowledged_total")


def _registry() -> CollectorRegistry:
    return CollectorRegistry()
