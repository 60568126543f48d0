"""The contract of every publisher: the tests' fake, and the Kafka implementation on a real broker."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from domain.ports import OutgoingRecord, Publisher, PublishFailed, RecordTooLarge
from domain.topics import Topics
from infra.kafka.config import KafkaConfig
from infra.kafka.producer import KafkaPublisher
from infra.local.ports import LOOPBACK, free_port
from tests.support.fake_publisher import FakePublisher
from tests.support.kafka_topics import new_topics, read_all
from tests.support.waiting import wait_until

DEADLINE = 2.5


@dataclass
class Stage:
    """A publisher that works, one whose broker is unreachable, and a function that reads a topic."""

    publisher: Publisher
    disconnected: Publisher
    on: Callable[[str], list[OutgoingRecord]]
    topics: Topics


@pytest.fixture(scope="module")
def disconnected() -> Iterator[KafkaPublisher]:
    """A publisher that keeps trying to connect. Closing it takes a few seconds, so there is one per module."""
    topics = Topics()
    publisher = KafkaPublisher(KafkaConfig((f"{LOOPBACK}:{free_port()}",)), [topics.inbound, topics.unreadable])
    yield publisher
    publisher.close()


@pytest.fixture(params=["fake", "kafka"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "fake":
        fake = FakePublisher()
        yield Stage(fake, FakePublisher(unreachable=True), fake.on, Topics())
        return
    bootstrap = request.getfixturevalue("kafka")
    topics = new_topics(bootstrap)
    working = KafkaPublisher(KafkaConfig((bootstrap,)), [topics.inbound, topics.unreadable])
    wait_until(lambda: not working.not_ready_reasons())
    disconnected = request.getfixturevalue("disconnected")
    yield Stage(working, disconnected, lambda topic: read_all(bootstrap, topic), topics)
    working.close()


def test_a_record_is_on_its_topic_unchanged_when_publish_returns(stage: Stage) -> None:
    record = OutgoingRecord(stage.topics.unreadable, None, b"\x00\xff", (("witiop_source", b"whatsapp"),))

    stage.publisher.publish([record], DEADLINE)

    assert [record] == stage.on(stage.topics.unreadable)


def test_publish_returns_the_position_of_each_record(stage: Stage) -> None:
    """Records of one key have consecutive offsets in one partition."""
    records = [OutgoingRecord(stage.topics.inbound, "106:anna", b"%d" % n) for n in range(3)]

    positions = [*stage.publisher.publish(records[:2], DEADLINE), *stage.publisher.publish(records[2:], DEADLINE)]

    assert [(positions[0].partition, n) for n in range(3)] == positions


def test_records_of_one_key_stay_in_order(stage: Stage) -> None:
    topic = stage.topics.inbound

    stage.publisher.publish([OutgoingRecord(topic, "106:anna", b"%d" % n) for n in range(100)], DEADLINE)
    stage.publisher.publish([OutgoingRecord(topic, "106:anna", b"%d" % n) for n in range(100, 200)], DEADLINE)

    assert [b"%d" % n for n in range(200)] == [record.value for record in stage.on(topic)]


def test_records_of_one_call_may_go_to_several_topics(stage: Stage) -> None:
    readable, not_readable = stage.topics.inbound, stage.topics.unreadable

    stage.publisher.publish([OutgoingRecord(readable, "a", b"1"), OutgoingRecord(not_readable, None, b"2")], DEADLINE)

    assert ([b"1"], [b"2"]) == tuple([record.value for record in stage.on(each)] for each in (readable, not_readable))


def test_the_largest_body_fits_into_a_record(stage: Stage) -> None:
    record = OutgoingRecord(
        stage.topics.unreadable, None, b"x" * 3_145_728, (("witiop_reason", b"body: is not valid JSON"),)
    )

    stage.publisher.publish([record], DEADLINE)

    assert [record] == stage.on(stage.topics.unreadable)


def test_a_record_larger_than_the_topic_allows_is_rejected_as_too_large(stage: Stage) -> None:
    """The publisher works normally afterwards."""
    with pytest.raises(RecordTooLarge):
        stage.publisher.publish([OutgoingRecord(stage.topics.inbound, "a", b"x" * (4 * 1024 * 1024 + 1))], DEADLINE)

    stage.publisher.publish([OutgoingRecord(stage.topics.inbound, "a", b"1")], DEADLINE)
    assert [b"1"] == [record.value for record in stage.on(stage.topics.inbound)]


def test_the_outcome_of_records_is_reported_without_waiting_for_it(stage: Stage) -> None:
    outcomes: list[object] = []
    record = OutgoingRecord(stage.topics.inbound, "a", b"1")

    for each in (record, record):
        stage.publisher.begin([each], DEADLINE, outcomes.append)
    wait_until(lambda: len(outcomes) == 2)

    assert [record, record] == stage.on(stage.topics.inbound)
    positions = sorted(position for outcome in outcomes for position in outcome)  # type: ignore[attr-defined]
    assert [0, 1] == [position.offset for position in positions]


def test_records_for_a_topic_that_does_not_exist_fail_at_once(stage: Stage) -> None:
    if isinstance(stage.publisher, FakePublisher):
        pytest.skip("the fake has every topic")
    outcomes: list[object] = []

    stage.publisher.begin([OutgoingRecord("unknown", "a", b"1")], DEADLINE, outcomes.append)

    assert [PublishFailed] == [type(outcome) for outcome in outcomes]


def test_publishing_no_records_succeeds(stage: Stage) -> None:
    stage.publisher.publish([], DEADLINE)

    assert [] == stage.on(stage.topics.inbound)


def test_a_connected_publisher_is_ready(stage: Stage) -> None:
    assert [] == list(stage.publisher.not_ready_reasons())


def test_without_a_broker_publish_fails_within_its_deadline(stage: Stage) -> None:
    began = time.monotonic()

    outcomes: list[object] = []
    stage.disconnected.begin([OutgoingRecord(stage.topics.inbound, "a", b"1")], DEADLINE, outcomes.append)

    with pytest.raises(PublishFailed):
        stage.disconnected.publish([OutgoingRecord(stage.topics.inbound, "a", b"1")], DEADLINE)

    assert [PublishFailed] == [type(outcome) for outcome in outcomes]

    assert time.monotonic() - began < DEADLINE + 0.3


def test_without_a_broker_a_publisher_reports_why_it_is_not_ready(stage: Stage) -> None:
    assert [] != list(stage.disconnected.not_ready_reasons())
