"""A broker that is away, frozen, killed, or was never there: 503 in time, no false 200, and back by itself."""

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
    """What was sent, and what was answered: wamid -> status."""

    def __init__(self, webhook: WebhookProcess) -> None:
        self.answers: dict[str, int] = {}
        self.seconds: list[float] = []
        self._webhook = webhook
        self._numbers = iter(range(1_000_000))

    def send(self) -> int:
        """Post one update that was never sent before, and give the status."""
        document = body("text")
        wamid = f"wamid.{next(self._numbers)}"
        value_of(document)["messages"][0]["id"] = wamid
        status, seconds = self._webhook.post(json.dumps(document).encode())
        self.answers[wamid] = status
        self.seconds.append(seconds)
        return status

    def send_at_once(self, senders: int) -> list[int]:
        """As many at the same time, each once; their statuses."""
        before = set(self.answers)
        threads = [threading.Thread(target=self.send) for _ in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [status for wamid, status in self.answers.items() if wamid not in before]

    def recovers(self) -> None:
        """Send until an update is kept; AssertionError when that takes too long."""
        wait_until(lambda: self.send() == 200, RECOVERY_SECONDS)

    def check(self, broker: LocalKafka, topics: Topics) -> None:
        """Every update answered 200 is there, nothing that was not sent, and every answer came in time."""
        there = {json.loads(record.value)["wamid"] for record in read_all(broker.bootstrap, topics.inbound)}
        kept = {wamid for wamid, status in self.answers.items() if status == 200}
        assert set() == kept - there
        assert set() == there - set(self.answers)
        assert {200, 503} == set(self.answers.values())
        assert max(self.seconds) < ANSWER_SECONDS


def test_a_frozen_broker_costs_503s_in_time_and_nothing_else(
    broker: LocalKafka, topics: Topics, tmp_path: Path
) -> None:
    with webhook_process(broker.bootstrap, topics, tmp_path) as webhook:
        ledger = Ledger(webhook)
        assert [200] * 20 == ledger.send_at_once(20)
        assert broker.pid is not None
        freeze(broker.pid)
        try:
            assert [503] * 100 == ledger.send_at_once(100)  # more than there are threads
            wait_until(lambda: not webhook.ready())
            assert [503] * 100 == ledger.send_at_once(100)
        finally:
            os.kill(broker.pid, signal.SIGCONT)

        ledger.recovers()
        wait_until(webhook.ready, RECOVERY_SECONDS)
        assert [200] * 20 == ledger.send_at_once(20)
        ledger.check(broker, topics)


def test_a_killed_broker_costs_503s_in_time_and_nothing_else(
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


def test_a_broker_that_comes_after_the_webhook_is_found(broker: LocalKafka, topics: Topics, tmp_path: Path) -> None:
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


def test_large_bodies_cost_little_memory_however_long_the_outage(
    broker: LocalKafka, topics: Topics, tmp_path: Path
) -> None:
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
                    time.sleep(0.02)  # looks often enough to see what is held for the 2 s of an answer

            assert {503} == {answer.result()[0] for answer in answers}
            # as it came, as the application has it, as a record, and one more that is in the making
            assert peak - before < 5 * at_once
            assert webhook.memory() - before < at_once  # nothing is kept of what was refused
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        wait_until(lambda: webhook.post(large)[0] == 200, RECOVERY_SECONDS)
