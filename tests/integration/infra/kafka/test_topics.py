"""Topics on a real broker: created as promised, repaired when somebody changed them, never cut."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from domain.topics import Topics
from infra.kafka.config import KafkaConfig
from infra.kafka.topics import TopicChange, TopicFinding, TopicSettings, create_or_repair, findings

ONE_BROKER = TopicSettings(partitions=2, replication_factor=1)


@pytest.fixture
def config(kafka: str) -> KafkaConfig:
    return KafkaConfig((kafka,))


@pytest.fixture
def topics() -> Topics:
    """Names that nobody else uses."""
    return Topics(f"t{uuid4().hex[:8]}.")


@pytest.fixture
def admin(kafka: str) -> Iterator[Any]:
    client: Any = KafkaAdminClient(bootstrap_servers=kafka)  # type: ignore[no-untyped-call]
    yield client
    client.close()


def _all(topics: Topics) -> list[str]:
    return [topics.inbound, topics.unreadable, topics.commands, topics.results, topics.conversations]


def _held(admin: Any, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)  # type: ignore[no-untyped-call]
    configs = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    return {name: config["value"] for name, config in configs.items()}


def test_missing_topics_are_created_as_the_promises_need_them(config: KafkaConfig, topics: Topics, admin: Any) -> None:
    """Sizes, retention and clock as docs/design/architecture.md says."""
    changes, left = create_or_repair(config, topics, ONE_BROKER)

    assert changes == [TopicChange(topic, "created with 2 partitions") for topic in _all(topics)]
    assert left == []
    inbound, unreadable = _held(admin, topics.inbound), _held(admin, topics.unreadable)
    for topic in (topics.inbound, topics.unreadable, topics.commands):
        assert _held(admin, topic)["max.message.bytes"] == str(4 * 1024 * 1024)
    assert inbound["retention.ms"] == str(30 * 24 * 3600 * 1000)
    for topic in (topics.inbound, topics.unreadable, topics.commands):
        assert _held(admin, topic)["message.timestamp.type"] == "LogAppendTime"
    assert (unreadable["retention.ms"], unreadable["retention.bytes"]) == ("-1", "-1")
    assert {_held(admin, topic)["unclean.leader.election.enable"] for topic in _all(topics)} == {"false"}


def test_topics_that_are_right_stay_as_they_are(config: KafkaConfig, topics: Topics) -> None:
    """A second run has nothing to say."""
    create_or_repair(config, topics, ONE_BROKER)
    assert create_or_repair(config, topics, ONE_BROKER) == ([], [])
    assert findings(config, topics, ONE_BROKER) == []


def test_a_setting_that_somebody_changed_is_found_and_set_again(
    config: KafkaConfig, topics: Topics, admin: Any
) -> None:
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


def test_the_clock_of_commands_that_an_earlier_version_left_to_their_writers_is_set(
    config: KafkaConfig, topics: Topics, admin: Any
) -> None:
    """An installation gets it with its next `witiop topics`."""
    create_or_repair(config, topics, ONE_BROKER)
    before = {"message.timestamp.type": "CreateTime"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topics.commands, before)])  # type: ignore[no-untyped-call]

    changes, left = create_or_repair(config, topics, ONE_BROKER)

    assert changes == [TopicChange(topics.commands, "message.timestamp.type CreateTime -> LogAppendTime")]
    assert left == []


def test_partitions_are_added_and_never_taken_away(config: KafkaConfig, topics: Topics) -> None:
    """Fewer would lose records: then the setting has to follow."""
    create_or_repair(config, topics, ONE_BROKER)

    more = create_or_repair(config, topics, TopicSettings(partitions=3, replication_factor=1))
    fewer = create_or_repair(config, topics, TopicSettings(partitions=1, replication_factor=1))

    assert more == ([TopicChange(topic, "partitions 2 -> 3") for topic in _all(topics)], [])
    cure = "partitions cannot be taken away: set WITIOP_KAFKA_PARTITIONS=3"
    assert fewer == ([], [TopicFinding(topic, "3 partitions, not 1", cure) for topic in _all(topics)])


def test_too_few_brokers_for_the_copies_create_nothing_and_say_why(config: KafkaConfig, topics: Topics) -> None:
    """A topic with fewer copies than promised would be found too late."""
    changes, left = create_or_repair(config, topics, TopicSettings(partitions=2, replication_factor=3))

    assert changes == []
    assert [(finding.where, finding.what) for finding in left] == [
        ("brokers", "1 for 3 copies of every record"),
        *((topic, "missing") for topic in _all(topics)),
    ]


def test_topics_with_too_few_copies_are_found(config: KafkaConfig, topics: Topics) -> None:
    """And their `min.insync.replicas`, without which one copy would be enough for an answer."""
    create_or_repair(config, topics, ONE_BROKER)

    found = [f.what for f in findings(config, topics, TopicSettings(2, 3)) if f.where == topics.inbound]

    assert found == ["min.insync.replicas is 1, not 2", "1 copies of a record, not 3"]


def test_several_that_create_at_once_do_not_disturb_each_other(config: KafkaConfig, topics: Topics) -> None:
    """Each topic is made by one of them."""
    with ThreadPoolExecutor(3) as together:
        done = list(together.map(lambda _: create_or_repair(config, topics, ONE_BROKER), range(3)))

    assert sorted(change for changes, _ in done for change in changes) == sorted(
        TopicChange(topic, "created with 2 partitions") for topic in _all(topics)
    )
    assert [left for _, left in done] == [[], [], []]
