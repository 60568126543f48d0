"""Outages of the broker (stopped, frozen, killed, not started yet): 503 in time, no false 200, automatic recovery."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domain.topics import Topics
from infra.local.kafka import LocalKafka
from tests.support.kafka_topics import new_topics, read_all
from tests.support.payloads import body, raw, value_of
from tests.support.process_tree import freeze
from tests.support.waiting import wait_until
from tests.support.webhook_process import WebhookProcess, webhook_process

TEXT = raw("text")
ANSWER_SECONDS, RECOVERY_SECONDS = 3.0, 10.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A broker that these tests may stop."""
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture
def topics(broker: LocalKafka) -> Topics:
    return new_topics(broker.bootstrap)


class Ledger:
    """Sends updates and records the answers: wamid -> status."""

    def __init__(self, webhook: WebhookProcess) -> None:
        self.answers: dict[str, int] = {}
        self.seconds: list[float] = []
        self._webhook = webhook
        self._numbers = iter(range(1_000_000))

    def send(self) -> int:
        """Posts a new update and returns the status."""
        document = body("text")
        wamid = f"wamid.{next(self._numbers)}"
        value_of(document)["messages"][0]["id"] = wamid
        status, seconds = self._webhook.post(json.dumps(document).encode())
        self.answers[wamid] = status
        self.seconds.append(seconds)
        return status

    def send_at_once(self, senders: int) -> list[int]:
        """Sends this many updates at the same time and returns their statuses."""
        before = set(self.answers)
        threads = [threading.Thread(target=self.send) for _ in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [status for wamid, status in self.answers.items() if wamid not in before]

    def recovers(self) -> None:
        """Sends updates until one is acknowledged. Raises AssertionError after RECOVERY_SECONDS."""
        wait_until(lambda: self.send() == 200, RECOVERY_SECONDS)

    def check(self, broker: LocalKafka, topics: Topics) -> None:
        """Checks that every update answered with 200 is on the topic, that nothing else is, and that answers were in
        time."""
        stored = {json.loads(record.value)["wamid"] for record in read_all(broker.bootstrap, topics.inbound)}
        acknowledged = {wamid for wamid, status in self.answers.items() if status == 200}
        assert set() == acknowledged - stored
        assert set() == stored - set(self.answers)
        assert {200, 503} == set(self.answers.values())
        assert max(self.seconds) < ANSWER_SECONDS


def test_while_the_broker_is_frozen_every_answer_is_503_in_time(
    broker: LocalKafka, topics: Topics, tmp_path: Path
) -> None:
    with webhook_process(broker.bootstrap, topics, tmp_path) as webhook:
        ledger = Ledger(webhook)
        assert [200] * 20 == ledger.send_at_once(20)
        assert broker.pid is not None
        freeze(broker.pid)
        try:
            assert [503] * 100 == ledger.send_at_once(100)  # more than there are threads
            began, spent_before = time.monotonic(), webhook.cpu_seconds()
            wait_until(lambda: not webhook.ready())
            assert [503] * 100 == ledger.send_at_once(100)
            spent = webhook.cpu_seconds() - spent_before
            assert spent < 0.5 * (time.monotonic() - began)  # no thread spins until the broker is back
        finally:
            os.kill(broker.pid, signal.SIGCONT)

        ledger.recovers()
        wait_until(webhook.ready, RECOVERY_SECONDS)
        assert [200] * 20 == ledger.send_at_once(20)
        ledger.check(broker, topics)


def test_while_the_broker_is_down_every_answer_is_503_in_time(
    broker: LocalKafka, topics: Topics, tmp_path: Path
) -> None:
    with webhook_process(broker.bootstrap, topics, tmp_path) as webhook:
        ledger = Ledger(webhook)
        assert 200 == ledger.send()
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        wait_until(lambda: broker.pid is None)

        assert [503] * 100 == ledger.send_at_once(100)
        wait_until(lambda: not webhook.ready())
        broker.start()

        ledger.recovers()
        wait_until(webhook.ready, RECOVERY_SECONDS)
        ledger.check(broker, topics)


def test_the_webhook_connects_to_a_broker_that_starts_later(broker: LocalKafka, topics: Topics, tmp_path: Path) -> None:
    broker.stop()
    webhook = WebhookProcess(broker.bootstrap, topics, tmp_path)
    try:
        ledger = Ledger(webhook)
        assert not webhook.ready()
        assert [503] * 20 == ledger.send_at_once(20)
        broker.start()

        ledger.recovers()
        wait_until(webhook.ready, RECOVERY_SECONDS)
        ledger.check(broker, topics)
    finally:
        webhook.end()


def test_large_bodies_use_little_memory_during_an_outage(broker: LocalKafka, topics: Topics, tmp_path: Path) -> None:
    senders, each = 16, 4
    large = random.Random(0).randbytes(3_000_000)  # cannot be compressed
    at_once = senders * len(large)
    with webhook_process(broker.bootstrap, topics, tmp_path) as webhook:
        assert 200 == webhook.post(TEXT)[0]
        before = webhook.memory()
        assert broker.pid is not None
        freeze(broker.pid)
        try:
            with ThreadPoolExecutor(senders) as pool:
                answers = [pool.submit(webhook.post, large) for _ in range(senders * each)]
                peak = 0
                while not all(answer.done() for answer in answers):
                    peak = max(peak, webhook.memory())
                    time.sleep(0.02)  # often enough to measure the 2 s during which a body is held

            assert {503} == {answer.result()[0] for answer in answers}
            # as received, as the application has it, as a record, and one more while it is being made
            assert peak - before < 5 * at_once
            wait_until(lambda: webhook.memory() - before < at_once / 2)  # rejected bodies are freed
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        wait_until(lambda: webhook.post(large)[0] == 200, RECOVERY_SECONDS)
