"""Publisher behaviour that a real broker cannot be made to cause on demand: stuck producers, failed checks,
overload."""

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError, SaslAuthenticationFailedError

from domain.ports import OutgoingRecord, PublishFailed, RecordPosition
from infra.kafka.config import KafkaConfig
from infra.kafka.producer import KafkaPublisher, PublishLimits
from tests.support.waiting import wait_until

CONFIG = KafkaConfig(("localhost:9092",))
RECORD = OutgoingRecord("topic", "key", b"value")


class Sent:
    """A `PendingSend`. `outcome`: the error that the record fails with; None: it is acknowledged."""

    def __init__(self, done: threading.Event, outcome: Exception | None = None) -> None:
        self._done = done
        self._outcome = outcome

    @property
    def is_done(self) -> bool:
        return self._done.is_set()

    def get(self, timeout: float) -> RecordPosition:
        if not self._done.wait(timeout):
            raise KafkaTimeoutError
        if self._outcome is not None:
            raise self._outcome
        return RecordPosition(0, 0)


class FakeClient:
    """A `ProducerClient` that acknowledges at once, or when a stall ends. While `stuck`, it neither acknowledges nor
    fails a record; `failing` is the error that records fail with."""

    def __init__(self) -> None:
        self.stuck = False
        self._done = threading.Event()
        self._done.set()
        self.failing: Exception | None = None
        self.ended = threading.Event()

    def send(self, record: OutgoingRecord) -> Sent:
        return Sent(threading.Event() if self.stuck else self._done, self.failing)

    def stall(self) -> threading.Event:
        """Holds back every acknowledgement until the returned event is set."""
        self._done = threading.Event()
        return self._done

    def not_ready_reasons(self) -> Sequence[str]:
        return ()

    def end(self, grace_seconds: float) -> None:
        self.ended.set()


class Connections:
    """The clients that a publisher created, the newest last. The first `failures` attempts to connect fail."""

    def __init__(self, failures: int = 0) -> None:
        self.clients: list[FakeClient] = []
        self.requested, self.answer = threading.Event(), threading.Event()
        self.answer.set()
        self._failures = failures

    def __call__(self, config: KafkaConfig, topics: Sequence[str]) -> FakeClient:
        self.requested.set()
        assert self.answer.wait(60)
        if self._failures:
            self._failures -= 1
            raise KafkaError
        self.clients.append(FakeClient())
        return self.clients[-1]


@pytest.fixture
def connections() -> Connections:
    return Connections()


@pytest.fixture
def publisher(connections: Connections) -> Iterator[KafkaPublisher]:
    publisher = KafkaPublisher(CONFIG, ["topic"], PublishLimits(calls=2, records=10, bytes=1000), connections)
    wait_until(lambda: not publisher.not_ready_reasons())
    yield publisher
    publisher.close()


def test_a_producer_that_neither_acknowledges_nor_fails_by_the_deadline_is_replaced(
    publisher: KafkaPublisher, connections: Connections
) -> None:
    connections.clients[0].stuck = True

    with pytest.raises(PublishFailed):
        publisher.publish([RECORD], 0.2)

    assert connections.clients[0].ended.wait(5)
    wait_until(lambda: len(connections.clients) == 2)
    wait_until(lambda: _publishes(publisher))


def test_a_producer_that_fails_a_record_in_time_is_not_replaced(
    publisher: KafkaPublisher, connections: Connections
) -> None:
    connections.clients[0].failing = KafkaTimeoutError("expired")

    with pytest.raises(PublishFailed):
        publisher.publish([RECORD], 0.2)

    connections.clients[0].failing = None
    publisher.publish([RECORD], 0.2)
    assert 1 == len(connections.clients)


def test_a_producer_that_can_never_succeed_again_is_replaced(
    publisher: KafkaPublisher, connections: Connections
) -> None:
    """It was refused by the broker, for example, until its credentials are accepted again."""
    connections.clients[0].failing = SaslAuthenticationFailedError()

    with pytest.raises(PublishFailed):
        publisher.publish([RECORD], 0.2)

    wait_until(lambda: len(connections.clients) == 2)
    wait_until(lambda: _publishes(publisher))


def test_a_call_beyond_the_limit_fails_at_once(publisher: KafkaPublisher, connections: Connections) -> None:
    stalled = connections.clients[0].stall()
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(_publishes, publisher, 60.0) for _ in range(2)]
        wait_until(lambda: publisher._room._calls == 2)

        assert not _publishes(publisher, 1.0)

        assert [False, False] == [call.done() for call in calls]
        stalled.set()
        assert [True, True] == [call.result() for call in calls]


def test_a_call_beyond_the_limit_waits_for_room_while_its_deadline_leaves_the_broker_enough_time(
    publisher: KafkaPublisher, connections: Connections
) -> None:
    stalled = connections.clients[0].stall()
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(_publishes, publisher, 60.0) for _ in range(2)]
        wait_until(lambda: publisher._room._calls == 2)
        third = pool.submit(_publishes, publisher, 60.0)
        with pytest.raises(TimeoutError):
            third.result(0.1)

        stalled.set()

        assert [True, True, True] == [call.result() for call in (*calls, third)]


@pytest.mark.parametrize(
    "records", [[RECORD] * 11, [OutgoingRecord("topic", None, b"x" * 1001)]], ids=["records", "bytes"]
)
def test_a_call_with_more_records_or_bytes_than_the_limits_fails(
    publisher: KafkaPublisher, records: list[OutgoingRecord]
) -> None:
    with pytest.raises(PublishFailed, match="too many records are waiting"):
        publisher.publish(records, 1.0)


def test_room_is_released_when_records_fail(publisher: KafkaPublisher, connections: Connections) -> None:
    connections.clients[0].failing = KafkaError()
    for _ in range(20):
        assert not _publishes(publisher)
    connections.clients[0].failing = None

    publisher.publish([RECORD] * 10, 1.0)


def test_a_record_that_failed_is_freed_at_once(publisher: KafkaPublisher, connections: Connections) -> None:
    connections.clients[0].failing = KafkaTimeoutError("expired")  # the client keeps this error and what it refers to
    record = OutgoingRecord("topic", "key", b"a large body")
    references = sys.getrefcount(record)

    assert not _publishes(publisher, record=record)

    assert references == sys.getrefcount(record)


def test_a_publisher_connects_to_a_broker_that_starts_later() -> None:
    publisher = KafkaPublisher(CONFIG, ["topic"], connect=Connections(failures=1))

    assert [] != list(publisher.not_ready_reasons())
    wait_until(lambda: not publisher.not_ready_reasons())
    publisher.publish([RECORD], 1.0)
    publisher.close()


def test_a_publisher_that_is_closed_while_it_connects_leaves_no_connection_open() -> None:
    connections = Connections()
    connections.answer.clear()
    publisher = KafkaPublisher(CONFIG, ["topic"], connect=connections)
    assert connections.requested.wait(60)

    publisher.close()

    connections.answer.set()
    wait_until(lambda: len(connections.clients) == 1)
    assert connections.clients[0].ended.wait(60)


def _publishes(publisher: KafkaPublisher, deadline_seconds: float = 0.2, record: OutgoingRecord = RECORD) -> bool:
    try:
        publisher.publish([record], deadline_seconds)
    except PublishFailed:
        return False
    return True
