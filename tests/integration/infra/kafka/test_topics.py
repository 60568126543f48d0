"""Topics on a real broker: created with the promised settings, repaired after changes, never reduced."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from domain.ports import OutgoingRecord
from domain.topics import Topics
from infra.kafka.access import principals
from infra.kafka.config import KafkaConfig
from infra.kafka.producer import KafkaPublisher
from infra.kafka.topics import TopicChange, TopicFinding, TopicSettings, create_or_repair, delete_copied, findings
from tests.support.kafka_topics import new_topics, read_all
from tests.support.waiting import wait_until

ONE_BROKER = TopicSettings(partitions=2, replication_factor=1)


@pytest.fixture
def config(kafka: str) -> KafkaConfig:
    return KafkaConfig((kafka,))


@pytest.fixture
def topics() -> Topics:
    """Topic names that no other test uses."""
    return Topics(f"t{uuid4().hex[:8]}.")


@pytest.fixture
def admin(kafka: str) -> Iterator[Any]:
    client: Any = KafkaAdminClient(bootstrap_servers=kafka)  # type: ignore[no-untyped-call]
    yield client
    client.close()


def _held(admin: Any, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)  # type: ignore[no-untyped-call]
    configs = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    return {name: config["value"] for name, config in configs.items()}


def test_missing_topics_are_created_with_the_promised_settings(config: KafkaConfig, topics: Topics, admin: Any) -> None:
    """Sizes, retention and timestamps are as in docs/design/architecture.md."""
    changes, left = create_or_repair(config, topics, ONE_BROKER)

    assert changes == [TopicChange(topic, "created with 2 partitions") for topic in topics.all]
    assert left == []
    inbound, unreadable = _held(admin, topics.inbound), _held(admin, topics.unreadable)
    for topic in (topics.inbound, topics.unreadable, topics.commands):
        assert _held(admin, topic)["max.message.bytes"] == str(4 * 1024 * 1024)
    assert inbound["retention.ms"] == str(30 * 24 * 3600 * 1000)
    for topic in (topics.inbound, topics.unreadable, topics.commands):
        assert _held(admin, topic)["message.timestamp.type"] == "LogAppendTime"
    assert (unreadable["retention.ms"], unreadable["retention.bytes"]) == ("-1", "-1")
    assert {_held(admin, topic)["unclean.leader.election.enable"] for topic in topics.all} == {"false"}


def test_correct_topics_are_not_changed(config: KafkaConfig, topics: Topics) -> None:
    """A second run reports nothing."""
    create_or_repair(config, topics, ONE_BROKER)
    assert create_or_repair(config, topics, ONE_BROKER) == ([], [])
    assert findings(config, topics, ONE_BROKER) == []


def test_a_changed_setting_is_found_and_corrected(config: KafkaConfig, topics: Topics, admin: Any) -> None:
    """Other settings of the topic are left alone."""
    create_or_repair(config, topics, ONE_BROKER)
    changed = {"retention.ms": "1000", "segment.bytes": "1048576"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topics.inbound, changed)])  # type: ignore[no-untyped-call]

    assert findings(config, topics, ONE_BROKER) == [
        TopicFinding(topics.inbound, "retention.ms is 1000, not 2592000000", "run witiop topics")
    ]
    assert create_or_repair(config, topics, ONE_BROKER) == (
        [TopicChange(topics.inbound, "retention.ms 1000 -> 2592000000")],
        [],
    )
    assert _held(admin, topics.inbound)["segment.bytes"] == "1048576"


def test_the_commands_topic_of_an_earlier_version_is_switched_to_broker_timestamps(
    config: KafkaConfig, topics: Topics, admin: Any
) -> None:
    """An installation is corrected by its next `witiop topics`."""
    create_or_repair(config, topics, ONE_BROKER)
    before = {"message.timestamp.type": "CreateTime"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topics.commands, before)])  # type: ignore[no-untyped-call]

    changes, left = create_or_repair(config, topics, ONE_BROKER)

    assert changes == [TopicChange(topics.commands, "message.timestamp.type CreateTime -> LogAppendTime")]
    assert left == []


def test_partitions_are_added_and_never_removed(config: KafkaConfig, topics: Topics) -> None:
    """Removing partitions would lose records, so the setting has to follow the topic."""
    create_or_repair(config, topics, ONE_BROKER)

    more = create_or_repair(config, topics, TopicSettings(partitions=3, replication_factor=1))
    fewer = create_or_repair(config, topics, TopicSettings(partitions=1, replication_factor=1))

    assert more == ([TopicChange(topic, "partitions 2 -> 3") for topic in topics.all], [])
    fix = "partitions cannot be removed: set WITIOP_KAFKA_PARTITIONS=3"
    assert fewer == ([], [TopicFinding(topic, "3 partitions, not 1", fix) for topic in topics.all])


def test_with_too_few_brokers_no_topic_is_created_and_the_reason_is_reported(
    config: KafkaConfig, topics: Topics
) -> None:
    """A topic with fewer replicas than promised would be noticed too late."""
    changes, left = create_or_repair(config, topics, TopicSettings(partitions=2, replication_factor=3))

    assert changes == []
    assert [(finding.where, finding.what) for finding in left] == [
        ("brokers", "1 for 3 copies of every record"),
        *((topic, "missing") for topic in topics.all),
    ]


def test_topics_with_too_few_replicas_are_found(config: KafkaConfig, topics: Topics) -> None:
    """A `min.insync.replicas` that is too low is found too: one replica would be enough to acknowledge."""
    create_or_repair(config, topics, ONE_BROKER)

    found = [f.what for f in findings(config, topics, TopicSettings(2, 3)) if f.where == topics.inbound]

    assert found == ["min.insync.replicas is 1, not 2", "1 copies of a record, not 3"]


def test_concurrent_runs_do_not_disturb_each_other(config: KafkaConfig, topics: Topics) -> None:
    """Each topic is created by exactly one of them."""
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: create_or_repair(config, topics, ONE_BROKER), range(3)))

    assert sorted(change for changes, _ in results for change in changes) == sorted(
        TopicChange(topic, "created with 2 partitions") for topic in topics.all
    )
    assert [left for _, left in results] == [[], [], []]


def test_only_old_records_that_were_copied_are_deleted(kafka: str) -> None:
    config, topics = KafkaConfig((kafka,)), new_topics(kafka, partitions=1)
    publisher = KafkaPublisher(config, [topics.unreadable])
    try:
        wait_until(lambda: not publisher.not_ready_reasons())
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


def test_on_a_cluster_without_an_authorizer_there_are_no_permissions_to_give(
    config: KafkaConfig, topics: Topics
) -> None:
    """Everybody may do everything there."""
    assert principals.provide(config, topics, {}) is None
    assert principals.differences(config, topics) is None
