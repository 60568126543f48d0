"""The contract of the relay's publishers: the tests' fake, and the Kafka implementation on a real broker."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from os import urandom
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from consumers.workers.relay import KeyOrderedPublisher
from domain.ports import Delivery, OutgoingRecord
from infra.kafka.config import KafkaConfig
from infra.kafka.ordered_publisher import OrderedPublisher
from tests.support.fake_ordered_publisher import FakeOrderedPublisher
from tests.support.kafka_topics import new_topics, read_all


@dataclass
class Stage:
    """A publisher, a function that reads its topic, and a record that is too large for it."""

    publisher: KeyOrderedPublisher
    on_topic: Callable[[], list[OutgoingRecord]]
    topic: str
    too_large: OutgoingRecord


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

    assert [Delivery(True)] * len(records) == stage.publisher.publish(records)

    for key in ("anna", "berta"):
        assert [r for r in records if r.key == key] == [r for r in stage.on_topic() if r.key == key]


def test_a_record_that_is_too_large_is_refused_and_those_around_it_are_published(stage: Stage) -> None:
    before, after = OutgoingRecord(stage.topic, "anna", b"before"), OutgoingRecord(stage.topic, "anna", b"after")

    deliveries = stage.publisher.publish([before, stage.too_large, after])

    assert [Delivery(True), Delivery(False, "too large for its topic"), Delivery(True)] == deliveries
    assert [before, after] == stage.on_topic()


def test_a_record_that_the_topic_alone_finds_too_large_is_refused_and_those_around_it_are_published(kafka: str) -> None:
    """They were in one request, which the broker refused."""
    topic = new_topics(kafka).conversations
    client: Any = KafkaAdminClient(bootstrap_servers=kafka)  # type: ignore[no-untyped-call]
    with closing(client) as admin:
        small: Any = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "2000"})  # type: ignore[no-untyped-call]
        admin.alter_configs([small])
    before, after = OutgoingRecord(topic, "anna", b"before"), OutgoingRecord(topic, "anna", b"after")
    with closing(OrderedPublisher(KafkaConfig((kafka,)))) as publisher:
        deliveries = publisher.publish([before, OutgoingRecord(topic, "anna", urandom(5_000)), after])
    assert [Delivery(True), Delivery(False, "too large for its topic"), Delivery(True)] == deliveries
    assert [before, after] == without_repeats_in(read_all(kafka, topic))


def without_repeats_in(records: list[OutgoingRecord]) -> list[OutgoingRecord]:
    return [record for place, record in enumerate(records) if record not in records[:place]]
