"""Creates the product's topics, checks their settings, and deletes from one what was copied elsewhere (architecture.md,
Topics)."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import InvalidReplicationFactorError, KafkaError, KafkaTimeoutError, TopicAlreadyExistsError

from domain.topics import Topics
from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import BrokerUnreachable
from infra.kafka.diagnostics import offset_ranges

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Must hold an unreadable signed body of 3 MiB with its headers; otherwise Meta would repeat that body for days."""
RETENTION_MS = 30 * 24 * 3600 * 1000
_REQUEST_MS = 10_000
_BOOTSTRAP_MS = 5_000


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """The number of partitions of a topic, and of replicas of each record."""

    partitions: int
    replication_factor: int

    @property
    def min_insync_replicas(self) -> int:
        """How many replicas must have a record before it is acknowledged. With three brokers, one may be down."""
        return 2 if self.replication_factor >= 3 else 1


class TopicChange(NamedTuple):
    """A change that was made to a topic, as text."""

    topic: str
    what: str


class TopicFinding(NamedTuple):
    """A problem: `where` is a topic's name or `brokers`, `what` is wrong, and `fix` is what an administrator can do."""

    where: str
    what: str
    fix: str


def create_or_repair(
    config: KafkaConfig, topics: Topics, wanted: TopicSettings
) -> tuple[list[TopicChange], list[TopicFinding]]:
    """Creates missing topics, corrects settings and adds partitions. Returns the changes, and the problems that an
    administrator has to fix.

    Never removes partitions and never deletes records. Several processes may call this at once.

    Raises:
        kafka.errors.KafkaError: no broker answered, or one rejected the request.
    """
    with _admin(config) as admin:
        changes = [*_create(admin, topics, wanted), *_repair(admin, topics, wanted)]
        return changes, list(_findings(admin, topics, wanted))


def findings(config: KafkaConfig, topics: Topics, wanted: TopicSettings) -> list[TopicFinding]:
    """Returns the problems of brokers and topics. Changes nothing.

    Raises:
        kafka.errors.KafkaError: no broker answered, or one rejected the request.
    """
    with _admin(config) as admin:
        return list(_findings(admin, topics, wanted))


def delete_copied(config: KafkaConfig, topic: str, copied: Mapping[int, int], before: datetime) -> int:
    """Deletes the records of a topic that the broker took before a time and that were copied elsewhere; returns how
    many. For a topic without a retention of its own, which keeps what its consumer has not read yet, however long that
    takes. `copied`: partition -> the first record that was not copied. Blocks for some seconds at most. Raises
    BrokerUnreachable."""
    if not copied:
        return 0
    partitions = [TopicPartition(topic, partition) for partition in copied]
    try:
        with _admin(config) as admin:
            held = offset_ranges(admin, partitions)
            younger = admin.list_partition_offsets(dict.fromkeys(partitions, int(before.timestamp() * 1000)))
            due: dict[TopicPartition, int] = {}
            for each in partitions:
                first = younger[each].offset  # negative: no record is so young
                end = min(first if first >= 0 else held[each].end, copied[each.partition], held[each].end)
                if end > held[each].begin:
                    due[each] = end
            if due:
                admin.delete_records(due)
            return sum(end - held[each].begin for each, end in due.items())
    except KafkaError as error:
        raise BrokerUnreachable(type(error).__name__) from error


def _admin(config: KafkaConfig) -> closing[Any]:
    options = config.client_options() | {"bootstrap_timeout_ms": _BOOTSTRAP_MS, "request_timeout_ms": _REQUEST_MS}
    return closing(KafkaAdminClient(**options))  # type: ignore[no-untyped-call]


def _settings(topics: Topics, wanted: TopicSettings) -> dict[str, dict[str, str]]:
    """Topic -> the settings that the broker must have for it."""
    safe = {"min.insync.replicas": str(wanted.min_insync_replicas), "unclean.leader.election.enable": "false"}
    # Other programs may publish with a compression that kafka-python cannot read; the broker recompresses with gzip.
    readable = safe | {"compression.type": "gzip"}
    # The broker sets the time of a record. Writers may be unauthenticated, so their timestamps prove nothing.
    broker_time = {"message.timestamp.type": "LogAppendTime"}
    large = readable | {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    deleted_by_age = large | {"cleanup.policy": "delete"}
    return {
        # inbound: the timer needs to know up to which time every record was processed (P6a)
        topics.inbound: deleted_by_age | broker_time | {"retention.ms": str(RETENTION_MS)},
        topics.unreadable: deleted_by_age | broker_time | {"retention.ms": "-1", "retention.bytes": "-1"},
        # A command's mail text may exceed the limit for mails: the record must get through to be rejected as too_large.
        topics.commands: large | broker_time,
        topics.results: safe,
        topics.conversations: safe,
        topics.messages: safe,
        topics.campaigns: safe,
    }


def _create(admin: Any, topics: Topics, wanted: TopicSettings) -> Iterator[TopicChange]:
    settings = _settings(topics, wanted)
    existing = set(admin.list_topics())
    for topic, configs in settings.items():
        if topic in existing:
            continue
        size = {"num_partitions": wanted.partitions, "replication_factor": wanted.replication_factor}
        try:
            admin.create_topics({topic: {**size, "configs": configs}}, timeout_ms=_REQUEST_MS)
        except TopicAlreadyExistsError:  # another process created it in the meantime
            continue
        except InvalidReplicationFactorError:
            return  # the findings then report every topic as missing, and the number of brokers as the cause
        yield TopicChange(topic, f"created with {wanted.partitions} partitions")
    admin.wait_for_topics(list(settings), timeout_ms=_REQUEST_MS)


def _repair(admin: Any, topics: Topics, wanted: TopicSettings) -> Iterator[TopicChange]:
    for topic, differing in _differing(admin, topics, wanted).items():
        admin.alter_configs([_topic_resource(topic, {name: expected for name, (_, expected) in differing.items()})])
        for name, (actual, expected) in differing.items():
            yield TopicChange(topic, f"{name} {actual} -> {expected}")
    for topic, partitions in _partitions(admin, topics).items():
        if len(partitions) < wanted.partitions:
            admin.create_partitions({topic: wanted.partitions}, timeout_ms=_REQUEST_MS)
            _await_partitions(admin, topic, wanted.partitions)
            yield TopicChange(topic, f"partitions {len(partitions)} -> {wanted.partitions}")


def _await_partitions(admin: Any, topic: str, partitions: int) -> None:
    """Waits until the brokers know the new partitions, which happens a moment after the controller created them."""
    until = time.monotonic() + _REQUEST_MS / 1000
    while len(admin.describe_topics([topic])[0]["partitions"]) < partitions:
        if time.monotonic() > until:
            raise KafkaTimeoutError(f"the new partitions of {topic} were not created in time")
        time.sleep(0.05)
    admin.wait_for_topics([topic], timeout_ms=_REQUEST_MS)


def _findings(admin: Any, topics: Topics, wanted: TopicSettings) -> Iterator[TopicFinding]:
    brokers = len(admin.describe_cluster()["brokers"])
    if brokers < wanted.replication_factor:
        fix = "start the others, or set WITIOP_KAFKA_REPLICATION_FACTOR; then run witiop topics"
        yield TopicFinding("brokers", f"{brokers} for {wanted.replication_factor} copies of every record", fix)
    existing = _partitions(admin, topics)
    for topic in _settings(topics, wanted):
        if topic not in existing:
            yield TopicFinding(topic, "missing", "run witiop topics")
    for topic, differing in _differing(admin, topics, wanted).items():
        for name, (actual, expected) in differing.items():
            yield TopicFinding(topic, f"{name} is {actual}, not {expected}", "run witiop topics")
    for topic, partitions in existing.items():
        yield from _partition_findings(topic, partitions, wanted)


def _partition_findings(topic: str, partitions: list[dict[str, Any]], wanted: TopicSettings) -> Iterator[TopicFinding]:
    if len(partitions) < wanted.partitions:
        yield TopicFinding(topic, f"{len(partitions)} partitions, not {wanted.partitions}", "run witiop topics")
    if len(partitions) > wanted.partitions:
        fix = f"partitions cannot be removed: set WITIOP_KAFKA_PARTITIONS={len(partitions)}"
        yield TopicFinding(topic, f"{len(partitions)} partitions, not {wanted.partitions}", fix)
    copies = min(len(partition["replica_nodes"]) for partition in partitions)
    if copies < wanted.replication_factor:
        yield TopicFinding(
            topic,
            f"{copies} copies of a record, not {wanted.replication_factor}",
            "add replicas with Kafka's kafka-reassign-partitions.sh, or set WITIOP_KAFKA_REPLICATION_FACTOR",
        )
    lagging = [p["partition_index"] for p in partitions if len(p["isr_nodes"]) < len(p["replica_nodes"])]
    if lagging:
        numbers = ", ".join(map(str, sorted(lagging)))
        fix = "see which broker is down or slow"
        yield TopicFinding(topic, f"replicas of partitions {numbers} are not in sync", fix)


def _differing(admin: Any, topics: Topics, wanted: TopicSettings) -> dict[str, dict[str, tuple[str | None, str]]]:
    """Topic -> setting -> (actual value, expected value), for the settings that differ."""
    settings = _settings(topics, wanted)
    existing = [topic for topic in settings if topic in set(admin.list_topics())]
    resources = [_topic_resource(topic, settings[topic]) for topic in existing]
    actual = admin.describe_configs(resources, config_filter="all")["topic"] if resources else {}
    return {topic: wrong for topic in existing if (wrong := _differences(actual[topic], settings[topic]))}


def _topic_resource(topic: str, configs: dict[str, str]) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, topic, configs)  # type: ignore[no-untyped-call]


def _differences(actual: Mapping[str, Any], expected: Mapping[str, str]) -> dict[str, tuple[str | None, str]]:
    values = {name: actual[name]["value"] if name in actual else None for name in expected}
    return {name: (values[name], expected[name]) for name in expected if values[name] != expected[name]}


def _partitions(admin: Any, topics: Topics) -> dict[str, list[dict[str, Any]]]:
    """Topic -> its partitions, for the topics that exist."""
    described = {topic["name"]: topic for topic in admin.describe_topics(list(topics.all)) if topic["error_code"] == 0}
    return {name: described[name]["partitions"] for name in topics.all if name in described}
