"""Records that were copied are deleted from their topic once they are old, on a real broker."""

from datetime import UTC, datetime, timedelta

from domain.ports import OutgoingRecord
from infra.kafka.config import KafkaConfig
from infra.kafka.producer import KafkaPublisher
from infra.kafka.trimming import delete_copied
from tests.support.kafka_topics import new_topics, read_all


def test_only_old_records_that_were_copied_are_deleted(kafka: str) -> None:
    config, topics = KafkaConfig((kafka,)), new_topics(kafka, partitions=1)
    publisher = KafkaPublisher(config, [topics.unreadable])
    try:
        for n in range(4):
            publisher.publish([OutgoingRecord(topics.unreadable, "k", str(n).encode(), ())], 10)
    finally:
        publisher.close()
    now = datetime.now(UTC)
    soon = now + timedelta(minutes=1)
    assert 0 == delete_copied(config, topics.unreadable, {0: 3}, now - timedelta(days=30))
    assert 0 == delete_copied(config, topics.unreadable, {}, soon), "nobody has copied anything"
    assert 3 == delete_copied(config, topics.unreadable, {0: 3}, soon), "the last one was not copied"
    assert [b"3"] == [record.value for record in read_all(kafka, topics.unreadable)]
    assert 0 == delete_copied(config, topics.unreadable, {0: 3}, soon)
