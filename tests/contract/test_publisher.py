"""What every publisher promises: the fake of the tests and the one on a real broker."""

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
    """A publisher that works, one whose broker is away, and a look at what stands on a topic."""

    publisher: Publisher
    stranded: Publisher
    on: Callable[[str], list[OutgoingRecord]]
    topics: Topics


@pytest.fixture(scope="module")
def stranded() -> Iterator[KafkaPublisher]:
    """It looks for its broker all the time, so it takes some seconds to close."""
    topics = Topics()
    publisher = KafkaPublisher(KafkaConfig((f"{LOOPBACK}:{free_port()}",)), [topics.inbound, topics.unreadable])
    yield publisher
    publisher.close()


@pytest.fixture(params=["fake", "kafka"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "fake":
        fake = FakePublisher()
        yield Stage(fake, FakePublisher(away=True), fake.on, Topics())
        return
    bootstrap = request.getfixturevalue("kafka")
    topics = new_topics(bootstrap)
    working = KafkaPublisher(KafkaConfig((bootstrap,)), [topics.inbound, topics.unreadable])
    wait_until(lambda: not working.not_ready_reasons())
    stranded = request.getfixturevalue("stranded")
    yield Stage(working, stranded, lambda topic: read_all(bootstrap, topic), topics)
    working.close()


def test_a_record_stands_on_its_topic_as_it_was_when_publish_returns(stage: Stage) -> None:
    record = OutgoingRecord(stage.topics.unreadable, None, b"\x00\xff", (("witiop_source", b"whatsapp"),))

    stage.publisher.publish([record], DEADLINE)

    assert [record] == stage.on(stage.topics.unreadable)


def test_who_publishes_is_told_where_each_record_stands(stage: Stage) -> None:
    """Those of one key one behind the other."""
    records = [OutgoingRecord(stage.topics.inbound, "106:anna", b"%d" % n) for n in range(3)]

    places = [*stage.publisher.publish(records[:2], DEADLINE), *stage.publisher.publish(records[2:], DEADLINE)]

    assert [(places[0].partition, n) for n in range(3)] == places


def test_records_of_one_key_keep_their_order(stage: Stage) -> None:
    topic = stage.topics.inbound

    stage.publisher.publish([OutgoingRecord(topic, "106:anna", b"%d" % n) for n in range(100)], DEADLINE)
    stage.publisher.publish([OutgoingRecord(topic, "106:anna", b"%d" % n) for n in range(100, 200)], DEADLINE)

    assert [b"%d" % n for n in range(200)] == [record.value for record in stage.on(topic)]


def test_records_of_one_call_may_go_to_several_topics(stage: Stage) -> None:
    readable, not_readable = stage.topics.inbound, stage.topics.unreadable

    stage.publisher.publish([OutgoingRecord(readable, "a", b"1"), OutgoingRecord(not_readable, None, b"2")], DEADLINE)

    assert ([b"1"], [b"2"]) == tuple([record.value for record in stage.on(each)] for each in (readable, not_readable))


def test_the_largest_body_fits_into_a_record(stage: Stage) -> None:
    record = OutgoingRecord(stage.topics.unreadable, None, b"x" * 3_145_728, (("witiop_reason", b"body: no JSON"),))

    stage.publisher.publish([record], DEADLINE)

    assert [record] == stage.on(stage.topics.unreadable)


def test_what_no_topic_holds_is_refused_as_such(stage: Stage) -> None:
    """And nothing else stands in its way."""
    with pytest.raises(RecordTooLarge):
        stage.publisher.publish([OutgoingRecord(stage.topics.inbound, "a", b"x" * (4 * 1024 * 1024 + 1))], DEADLINE)

    stage.publisher.publish([OutgoingRecord(stage.topics.inbound, "a", b"1")], DEADLINE)
    assert [b"1"] == [record.value for record in stage.on(stage.topics.inbound)]


def test_no_records_are_kept_at_once(stage: Stage) -> None:
    stage.publisher.publish([], DEADLINE)

    assert [] == stage.on(stage.topics.inbound)


def test_a_publisher_that_works_lacks_nothing(stage: Stage) -> None:
    assert [] == list(stage.publisher.not_ready_reasons())


def test_without_a_broker_nothing_is_kept_and_the_answer_comes_in_time(stage: Stage) -> None:
    began = time.monotonic()

    with pytest.raises(PublishFailed):
        stage.stranded.publish([OutgoingRecord(stage.topics.inbound, "a", b"1")], DEADLINE)

    assert time.monotonic() - began < DEADLINE + 0.3


def test_without_a_broker_a_publisher_says_what_it_lacks(stage: Stage) -> None:
    assert [] != list(stage.stranded.not_ready_reasons())
