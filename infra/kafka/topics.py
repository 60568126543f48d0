"""Creates our topics and sees that they are as the promises need them (architecture.md, Topics)."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import InvalidReplicationFactorError, KafkaTimeoutError, TopicAlreadyExistsError

from domain.topics import Topics
from infra.kafka.config import KafkaConfig

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""A signed unreadable body of 3 MiB must fit with its headers, or Meta repeats it for days."""
RETENTION_MS = 30 * 24 * 3600 * 1000
_ANSWER_MS = 10_000
_BOOTSTRAP_MS = 5_000


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """How many partitions, and copies of each record, a topic shall have."""

    partitions: int
    replication_factor: int

    @property
    def min_insync_replicas(self) -> int:
        """Copies without which no record is acknowledged: with three brokers one may be away."""
        return 2 if self.replication_factor >= 3 else 1


class TopicChange(NamedTuple):
    """What was done to a topic, in words."""

    topic: str
    what: str


class TopicFinding(NamedTuple):
    """What is not as it should be, where (a topic's name, or `brokers`), and what to do about it."""

    where: str
    what: str
    cure: str


def create_or_repair(
    config: KafkaConfig, topics: Topics, wanted: TopicSettings
) -> tuple[list[TopicChange], list[TopicFinding]]:
    """Create what is missing, set what is set otherwise, add partitions; gives that, and what people have to do.

    Partitions are never taken away and records never deleted. Several may run at once.

    Raises:
        kafka.errors.KafkaError: no broker answered, or one refused.
    """
    with _admin(config) as admin:
        changes = [*_create(admin, topics, wanted), *_repair(admin, topics, wanted)]
        return changes, list(_findings(admin, topics, wanted))


def findings(config: KafkaConfig, topics: Topics, wanted: TopicSettings) -> list[TopicFinding]:
    """What is not as it should be; changes nothing.

    Raises:
        kafka.errors.KafkaError: no broker answered, or one refused.
    """
    with _admin(config) as admin:
        return list(_findings(admin, topics, wanted))


def _admin(config: KafkaConfig) -> closing[Any]:
    options = config.client_options() | {"bootstrap_timeout_ms": _BOOTSTRAP_MS, "request_timeout_ms": _ANSWER_MS}
    return closing(KafkaAdminClient(**options))  # type: ignore[no-untyped-call]


def _settings(topics: Topics, wanted: TopicSettings) -> dict[str, dict[str, str]]:
    """Topic -> what the broker must hold for it."""
    safe = {"min.insync.replicas": str(wanted.min_insync_replicas), "unclean.leader.election.enable": "false"}
    # Whoever else publishes may compress as kafka-python cannot read; the broker makes it gzip.
    readable = safe | {"compression.type": "gzip"}
    # The broker's: when a record came is not for whoever wrote it to say, who may have proved nothing.
    on_our_clock = {"message.timestamp.type": "LogAppendTime"}
    roomy = readable | {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    large = roomy | {"cleanup.policy": "delete"}
    return {
        # inbound: the timer asks up to which moment everything was worked in (P6a)
        topics.inbound: large | on_our_clock | {"retention.ms": str(RETENTION_MS)},
        topics.unreadable: large | on_our_clock | {"retention.ms": "-1", "retention.bytes": "-1"},
        # what a mail begins with may be as large as a mail: its sender is told too_large, and not nothing at all
        topics.commands: roomy | on_our_clock,
        topics.results: safe,
        topics.conversations: safe,
    }


def _create(admin: Any, topics: Topics, wanted: TopicSettings) -> Iterator[TopicChange]:
    settings = _settings(topics, wanted)
    there = set(admin.list_topics())
    for topic, configs in settings.items():
        if topic in there:
            continue
        made = {"num_partitions": wanted.partitions, "replication_factor": wanted.replication_factor}
        try:
            admin.create_topics({topic: {**made, "configs": configs}}, timeout_ms=_ANSWER_MS)
        except TopicAlreadyExistsError:  # somebody else was faster
            continue
        except InvalidReplicationFactorError:
            return  # every topic is then a finding that says why
        yield TopicChange(topic, f"created with {wanted.partitions} partitions")
    admin.wait_for_topics(list(settings), timeout_ms=_ANSWER_MS)


def _repair(admin: Any, topics: Topics, wanted: TopicSettings) -> Iterator[TopicChange]:
    for topic, differing in _differing(admin, topics, wanted).items():
        admin.alter_configs([_of_topic(topic, {name: right for name, (_, right) in differing.items()})])
        for name, (found, right) in differing.items():
            yield TopicChange(topic, f"{name} {found} -> {right}")
    for topic, partitions in _partitions(admin, topics).items():
        if len(partitions) < wanted.partitions:
            admin.create_partitions({topic: wanted.partitions}, timeout_ms=_ANSWER_MS)
            _await_partitions(admin, topic, wanted.partitions)
            yield TopicChange(topic, f"partitions {len(partitions)} -> {wanted.partitions}")


def _await_partitions(admin: Any, topic: str, partitions: int) -> None:
    """Brokers learn of new partitions a moment after the controller."""
    until = time.monotonic() + _ANSWER_MS / 1000
    while len(admin.describe_topics([topic])[0]["partitions"]) < partitions:
        if time.monotonic() > until:
            raise KafkaTimeoutError(f"{topic} has not got its new partitions yet")
        time.sleep(0.05)
    admin.wait_for_topics([topic], timeout_ms=_ANSWER_MS)


def _findings(admin: Any, topics: Topics, wanted: TopicSettings) -> Iterator[TopicFinding]:
    brokers = len(admin.describe_cluster()["brokers"])
    if brokers < wanted.replication_factor:
        cure = "start the others, or set WITIOP_KAFKA_REPLICATION_FACTOR; then run witiop topics"
        yield TopicFinding("brokers", f"{brokers} for {wanted.replication_factor} copies of every record", cure)
    there = _partitions(admin, topics)
    for topic in _settings(topics, wanted):
        if topic not in there:
            yield TopicFinding(topic, "missing", "run witiop topics")
    for topic, differing in _differing(admin, topics, wanted).items():
        for name, (found, right) in differing.items():
            yield TopicFinding(topic, f"{name} is {found}, not {right}", "run witiop topics")
    for topic, partitions in there.items():
        yield from _partition_findings(topic, partitions, wanted)


def _partition_findings(topic: str, partitions: list[dict[str, Any]], wanted: TopicSettings) -> Iterator[TopicFinding]:
    if len(partitions) < wanted.partitions:
        yield TopicFinding(topic, f"{len(partitions)} partitions, not {wanted.partitions}", "run witiop topics")
    if len(partitions) > wanted.partitions:
        cure = f"partitions cannot be taken away: set WITIOP_KAFKA_PARTITIONS={len(partitions)}"
        yield TopicFinding(topic, f"{len(partitions)} partitions, not {wanted.partitions}", cure)
    copies = min(len(partition["replica_nodes"]) for partition in partitions)
    if copies < wanted.replication_factor:
        yield TopicFinding(
            topic,
            f"{copies} copies of a record, not {wanted.replication_factor}",
            "add replicas with Kafka's kafka-reassign-partitions.sh, or set WITIOP_KAFKA_REPLICATION_FACTOR",
        )
    lagging = [p["partition_index"] for p in partitions if len(p["isr_nodes"]) < len(p["replica_nodes"])]
    if lagging:
        cure = "see which broker is down or slow"
        yield TopicFinding(
            topic, f"replicas of partitions {', '.join(map(str, sorted(lagging)))} are not in sync", cure
        )


def _differing(admin: Any, topics: Topics, wanted: TopicSettings) -> dict[str, dict[str, tuple[str | None, str]]]:
    """Topic -> setting -> (what the broker holds, what it must)."""
    settings = _settings(topics, wanted)
    there = [topic for topic in settings if topic in set(admin.list_topics())]
    resources = [_of_topic(topic, settings[topic]) for topic in there]
    found = admin.describe_configs(resources, config_filter="all")["topic"] if resources else {}
    return {topic: wrong for topic in there if (wrong := _wrong(found[topic], settings[topic]))}


def _of_topic(topic: str, configs: dict[str, str]) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, topic, configs)  # type: ignore[no-untyped-call]


def _wrong(found: Mapping[str, Any], right: Mapping[str, str]) -> dict[str, tuple[str | None, str]]:
    held = {name: found[name]["value"] if name in found else None for name in right}
    return {name: (held[name], right[name]) for name in right if held[name] != right[name]}


def _partitions(admin: Any, topics: Topics) -> dict[str, list[dict[str, Any]]]:
    """Topic -> its partitions, of those that are there."""
    names = [topics.inbound, topics.unreadable, topics.commands, topics.results, topics.conversations]
    found = {topic["name"]: topic for topic in admin.describe_topics(names) if topic["error_code"] == 0}
    return {name: found[name]["partitions"] for name in names if name in found}
