"""Publisher behaviour that a real broker cannot be made to cause on demand: stuck producers, failed checks,
overload."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError, SaslAuthenticationFailedError

from domain.ports import OutgoingRecord, PublishFailed, RecordPosition
from infra.kafka.config import KafkaConfig
from infra.kafka.producer import KafkaPublisher
from infra.kafka.producer_client import Acknowledged
from infra.kafka.send_queue import GROUPS, PublishLimits
from tests.support.waiting import wait_until

CONFIG = KafkaConfig(("localhost:9092",))
RECORD = OutgoingRecord("topic", "key", b"value")


class FakeClient:
    """A `ProducerClient` that acknowledges as soon as it is woken, or, while it is held, when `acknowledge` is called.
    `stuck`: it neither acknowledges nor fails records. `failing`: the error that records fail with."""

    def __init__(self) -> None:
        self.stuck = self.held = False
        self.failing: Exception | None = None
        self.ended = threading.Event()
        self.groups: list[list[bytes]] = []
        """The values that were sent before each wake."""
        self._lock = threading.Lock()
        self._sent: list[tuple[OutgoingRecord, Callable[[Acknowledged], None], Callable[[Exception], None]]] = []
        self._held: list[Callable[[], None]] = []

    def send(
        self, record: OutgoingRecord, acknowledged: Callable[[Acknowledged], None], failed: Callable[[Exception], None]
    ) -> None:
        if self.ended.is_set():
            raise KafkaError
        with self._lock:
            self._sent.append((record, acknowledged, failed))

    def wake(self) -> None:
        with self._lock:
            sent, self._sent = self._sent, []
            self.groups.append([record.value for record, _, _ in sent])
        for _, acknowledged, failed in sent:
            if self.failing is not None:
                failed(self.failing)
            elif self.held or self.stuck:
                self._held.append(partial(acknowledged, RecordPosition(0, 0)))
            else:
                acknowledged(RecordPosition(0, 0))

    def acknowledge(self) -> None:
        """Acknowledges all records that are held."""
        held, self._held = self._held, []
        for each in held:
            each()

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
    publisher = KafkaPublisher(CONFIG, ["topic"], PublishLimits(10, 1000, overdue_seconds=60), connections)
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


def test_what_a_failed_broker_leads_does_not_hold_up_what_the_others_lead(connections: Connections) -> None:
    publisher = KafkaPublisher(CONFIG, ["topic"], PublishLimits(overdue_seconds=0.05), connections)
    wait_until(lambda: not publisher.not_ready_reasons())
    (client,) = connections.clients
    client.held = True
    for _ in range(GROUPS):
        publisher.begin([RECORD], 60, lambda _: None)
    client.held = False

    publisher.publish([RECORD], 2)  # the watchdog replaces the producer only later

    assert 1 == len(connections.clients)
    publisher.close()


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


def test_what_is_published_while_two_groups_are_under_way_becomes_the_next_group(
    publisher: KafkaPublisher, connections: Connections
) -> None:
    (client,) = connections.clients
    client.held = True
    outcomes: list[object] = []
    for number in range(6):
        publisher.begin([OutgoingRecord("topic", "key", b"%d" % number)], 60, outcomes.append)

    assert [[b"0"], [b"1"]] == client.groups
    client.acknowledge()

    assert [b"2", b"3", b"4", b"5"] == client.groups[2]
    client.acknowledge()
    assert [[RecordPosition(0, 0)]] * 6 == outcomes


def test_a_call_that_waited_beyond_its_deadline_is_not_sent_any_more(
    publisher: KafkaPublisher, connections: Connections
) -> None:
    (client,) = connections.clients
    client.held = True
    outcomes: list[object] = []
    for seconds in (60, 60, -1, 60):
        publisher.begin([OutgoingRecord("topic", "key", b"%d" % seconds)], seconds, outcomes.append)

    client.acknowledge()

    assert [b"60"] == client.groups[2]
    assert 1 == sum(isinstance(outcome, PublishFailed) for outcome in outcomes)


def test_calls_that_wait_for_a_stuck_producer_fail_when_it_is_replaced(
    publisher: KafkaPublisher, connections: Connections
) -> None:
    connections.clients[0].stuck = True
    waiting: list[object] = []
    for _ in range(2):
        publisher.begin([RECORD], 60, lambda _: None)
    publisher.begin([RECORD], 60, waiting.append)

    assert not _publishes(publisher)

    assert [PublishFailed] == [type(outcome) for outcome in waiting]


def test_a_producer_in_which_a_record_is_stuck_is_replaced_even_if_nobody_waits_for_it(
    publisher: KafkaPublisher, connections: Connections
) -> None:
    connections.clients[0].stuck = True

    publisher.begin([RECORD], 0.1, lambda _: None)

    wait_until(lambda: len(connections.clients) == 2)
    assert connections.clients[0].ended.wait(5)


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
