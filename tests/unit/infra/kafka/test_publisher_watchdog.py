"""What no broker can be made to do on demand: a producer that wedges, a look that fails, more than may wait."""

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError

from domain.ports import OutgoingRecord, PublishFailed, RecordPosition
from infra.kafka.config import KafkaConfig
from infra.kafka.producer import KafkaPublisher, PublishLimits
from tests.support.waiting import wait_until

CONFIG = KafkaConfig(("localhost:9092",))
RECORD = OutgoingRecord("topic", "key", b"value")


class Sent:
    """A record on its way; `outcome` None: it was acknowledged."""

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


class FakeLink:
    """Acknowledges at once, after a stall when that ends; `wedged` it never says anything again, `failing` it fails
    what it gets."""

    def __init__(self) -> None:
        self.wedged = False
        self._done = threading.Event()
        self._done.set()
        self.failing: Exception | None = None
        self.ended = threading.Event()

    def send(self, record: OutgoingRecord) -> Sent:
        return Sent(threading.Event() if self.wedged else self._done, self.failing)

    def stall(self) -> threading.Event:
        """From now on nothing is acknowledged before what is returned is set."""
        self._done = threading.Event()
        return self._done

    def not_ready_reasons(self) -> Sequence[str]:
        return ()

    def end(self, grace_seconds: float) -> None:
        self.ended.set()


class Connections:
    """Every link that a publisher made, the newest last; `refusals` attempts fail first."""

    def __init__(self, refusals: int = 0) -> None:
        self.links: list[FakeLink] = []
        self.asked, self.answer = threading.Event(), threading.Event()
        self.answer.set()
        self._refusals = refusals

    def __call__(self, config: KafkaConfig, topics: Sequence[str]) -> FakeLink:
        self.asked.set()
        assert self.answer.wait(60)
        if self._refusals:
            self._refusals -= 1
            raise KafkaError
        self.links.append(FakeLink())
        return self.links[-1]


@pytest.fixture
def connections() -> Connections:
    return Connections()


@pytest.fixture
def publisher(connections: Connections) -> Iterator[KafkaPublisher]:
    publisher = KafkaPublisher(CONFIG, ["topic"], PublishLimits(calls=2, records=10, bytes=1000), connections)
    wait_until(lambda: not publisher.not_ready_reasons())
    yield publisher
    publisher.close()


def test_a_producer_that_says_nothing_by_the_deadline_is_replaced(
    publisher: KafkaPublisher, connections: Connections
) -> None:
    connections.links[0].wedged = True

    with pytest.raises(PublishFailed):
        publisher.publish([RECORD], 0.2)

    assert connections.links[0].ended.wait(5)
    wait_until(lambda: len(connections.links) == 2)
    wait_until(lambda: _keeps(publisher))


def test_a_producer_that_fails_a_record_in_time_stays(publisher: KafkaPublisher, connections: Connections) -> None:
    connections.links[0].failing = KafkaTimeoutError("expired")

    with pytest.raises(PublishFailed):
        publisher.publish([RECORD], 0.2)

    connections.links[0].failing = None
    publisher.publish([RECORD], 0.2)
    assert 1 == len(connections.links)


def test_what_is_more_than_may_wait_is_refused_at_once(publisher: KafkaPublisher, connections: Connections) -> None:
    stalled = connections.links[0].stall()
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(_keeps, publisher, 60.0) for _ in range(2)]
        wait_until(lambda: publisher._room._calls == 2)

        assert not _keeps(publisher, 1.0)

        assert [False, False] == [call.done() for call in calls]
        stalled.set()
        assert [True, True] == [call.result() for call in calls]


def test_what_finds_no_room_waits_for_it_as_long_as_its_deadline_leaves_the_broker_its_time(
    publisher: KafkaPublisher, connections: Connections
) -> None:
    stalled = connections.links[0].stall()
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(_keeps, publisher, 60.0) for _ in range(2)]
        wait_until(lambda: publisher._room._calls == 2)
        third = pool.submit(_keeps, publisher, 60.0)
        with pytest.raises(TimeoutError):
            third.result(0.1)

        stalled.set()

        assert [True, True, True] == [call.result() for call in (*calls, third)]


@pytest.mark.parametrize(
    "records", [[RECORD] * 11, [OutgoingRecord("topic", None, b"x" * 1001)]], ids=["records", "bytes"]
)
def test_more_records_or_bytes_than_may_wait_are_refused(
    publisher: KafkaPublisher, records: list[OutgoingRecord]
) -> None:
    with pytest.raises(PublishFailed, match="too much waits"):
        publisher.publish(records, 1.0)


def test_room_is_given_back_whatever_became_of_the_records(publisher: KafkaPublisher, connections: Connections) -> None:
    connections.links[0].failing = KafkaError()
    for _ in range(20):
        assert not _keeps(publisher)
    connections.links[0].failing = None

    publisher.publish([RECORD] * 10, 1.0)


def test_a_body_that_was_not_kept_is_let_go_at_once(publisher: KafkaPublisher, connections: Connections) -> None:
    connections.links[0].failing = KafkaTimeoutError("expired")  # the link keeps its error, and so what that knows
    record = OutgoingRecord("topic", "key", b"a large body")
    held = sys.getrefcount(record)

    assert not _keeps(publisher, record=record)

    assert held == sys.getrefcount(record)


def test_a_broker_that_comes_later_is_found() -> None:
    publisher = KafkaPublisher(CONFIG, ["topic"], connect=Connections(refusals=1))

    assert [] != list(publisher.not_ready_reasons())
    wait_until(lambda: not publisher.not_ready_reasons())
    publisher.publish([RECORD], 1.0)
    publisher.close()


def test_a_publisher_that_is_closed_while_it_looks_for_its_broker_leaves_no_connection() -> None:
    connections = Connections()
    connections.answer.clear()
    publisher = KafkaPublisher(CONFIG, ["topic"], connect=connections)
    assert connections.asked.wait(60)

    publisher.close()

    connections.answer.set()
    wait_until(lambda: len(connections.links) == 1)
    assert connections.links[0].ended.wait(60)


def _keeps(publisher: KafkaPublisher, deadline_seconds: float = 0.2, record: OutgoingRecord = RECORD) -> bool:
    try:
        publisher.publish([record], deadline_seconds)
    except PublishFailed:
        return False
    return True
