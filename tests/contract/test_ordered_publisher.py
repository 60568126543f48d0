"""What every publisher of the relay promises: the fake of the tests and the one on a real broker."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from consumers.workers.relay import KeyOrderedPublisher
from domain.ports import OutgoingRecord
from infra.kafka.config import KafkaConfig
from infra.kafka.ordered import OrderedPublisher
from tests.support.fake_ordered_publisher import FakeOrderedPublisher
from tests.support.kafka_topics import new_topics, read_all


@dataclass
class Stage:
    """A publisher, a look at what stands on its topic, and a record that it does not get acknowledged."""

    publisher: KeyOrderedPublisher
    on_topic: Callable[[], list[OutgoingRecord]]
    topic: str
    hopeless: OutgoingRecord


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


def test_what_it_acknowledges_stands_on_the_topic_in_the_order_of_its_key(stage: Stage) -> None:
    records = [
        OutgoingRecord(stage.topic, key, b"%d" % n, (("n", b"%d" % n),))
        for n in range(300)
        for key in ("anna", "berta")
    ]

    assert [True] * len(records) == stage.publisher.publish(records)

    for key in ("anna", "berta"):
        assert [r for r in records if r.key == key] == [r for r in stage.on_topic() if r.key == key]


def test_what_it_does_not_get_acknowledged_it_says_and_goes_on_with_the_next_call(stage: Stage) -> None:
    before, after = OutgoingRecord(stage.topic, "anna", b"before"), OutgoingRecord(stage.topic, "anna", b"after")

    acknowledged = stage.publisher.publish([stage.hopeless])

    assert [False] == acknowledged
    assert [True, True] == stage.publisher.publish([before, after])
    assert [before, after] == stage.on_topic()
