"""The contract of the relay's publishers: the tests' fake, and the Kafka implementation on a real broker."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from consumers.workers.relay import KeyOrderedPublisher
from domain.ports import OutgoingRecord
from infra.kafka.config import KafkaConfig
from infra.kafka.ordered_publisher import OrderedPublisher
from tests.support.fake_ordered_publisher import FakeOrderedPublisher
from tests.support.kafka_topics import new_topics, read_all


@dataclass
class Stage:
    """A publisher, a function that reads its topic, and a record that is never acknowledged."""

    publisher: KeyOrderedPublisher
    on_topic: Callable[[], list[OutgoingRecord]]
    topic: str
    never_acknowledged: OutgoingRecord


@pytest.fixture(params=["fake", "kafka"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "fake":
        fake = FakeOrderedPublisher(b"too large")
        yield Stage(fake, lambda: fake.records, "topic", OutgoingRecord("topic", "anna", b"too large"))
        return
    bootstrap = request.getfixturevalue("kafka")
    topic = new_topics(bootstrap).conversations
    publisher = OrderedPublisher(KafkaConfig((bootstrap,)))
    yield Stage(publisher, lambda: read_all(bootstrap, topic), topic, OutgoingRecord(topic, "anna", bytes(8_000_000)))
    publisher.close()


def test_acknowledged_records_are_on_the_topic_in_order_per_key(stage: Stage) -> None:
    records = [
        OutgoingRecord(stage.topic, key, b"%d" % n, (("n", b"%d" % n),))
        for n in range(300)
        for key in ("anna", "berta")
    ]

    assert [True] * len(records) == stage.publisher.publish(records)

    for key in ("anna", "berta"):
        assert [r for r in records if r.key == key] == [r for r in stage.on_topic() if r.key == key]


def test_a_record_that_is_not_acknowledged_is_reported_and_the_next_call_works(stage: Stage) -> None:
    before, after = OutgoingRecord(stage.topic, "anna", b"before"), OutgoingRecord(stage.topic, "anna", b"after")

    acknowledged = stage.publisher.publish([stage.never_acknowledged])

    assert [False] == acknowledged
    assert [True, True] == stage.publisher.publish([before, after])
    assert [before, after] == stage.on_topic()
