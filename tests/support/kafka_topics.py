"""Topics for a single test on the session's broker, and a function that reads their records."""

from typing import Any
from uuid import uuid4

from kafka import KafkaConsumer, TopicPartition

from domain.ports import OutgoingRecord
from domain.topics import Topics
from infra.kafka.config import KafkaConfig
from infra.kafka.topics import TopicSettings, create_or_repair


def new_topics(bootstrap: str, partitions: int = 2, copies: int = 1) -> Topics:
    """Creates all topics of the product under a prefix that no other test uses. `copies`: of each record."""
    topics = Topics(f"test-{uuid4().hex[:12]}.")
    create_or_repair(KafkaConfig(tuple(bootstrap.split(","))), topics, TopicSettings(partitions, copies))
    return topics


def read_all(bootstrap: str, topic: str) -> list[OutgoingRecord]:
    """Returns every record that is on a topic now. Records of one key are in order."""
    consumer: Any = KafkaConsumer(  # type: ignore[no-untyped-call]
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        partitions = [TopicPartition(topic, each) for each in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        records: list[OutgoingRecord] = []
        while any(consumer.position(each) < ends[each] for each in partitions):
            for batch in consumer.poll(timeout_ms=1000).values():
                records += [
                    OutgoingRecord(topic, each.key and each.key.decode(), each.value, tuple(each.headers))
                    for each in batch
                ]
        return records
    finally:
        consumer.close()
