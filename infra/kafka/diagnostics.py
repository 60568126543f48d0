"""Questions to the brokers: which offsets the partitions hold and the groups have committed, and the brokers' clock."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import ClusterAuthorizationFailedError, KafkaError, UnsupportedVersionError

from infra.kafka.client import open_client
from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import BrokerUnreachable, OffsetRange

_OPTIONS = {"bootstrap_timeout_ms": 5_000, "request_timeout_ms": 10_000}


class BrokerClock(NamedTuple):
    """Kafka's clock (`now`), and our clock before and after the request (aware UTC)."""

    now: datetime
    asked: datetime
    answered: datetime


def partitions_of(admin: Any, topics: Collection[str]) -> list[TopicPartition]:
    """Returns the partitions of these topics; missing topics have none. `admin`: a KafkaAdminClient. Raises
    kafka.errors.KafkaError."""
    return [
        TopicPartition(topic["name"], partition["partition_index"])
        for topic in admin.describe_topics(list(topics))
        if topic["error_code"] == 0
        for partition in topic["partitions"]
    ]


def offset_ranges(admin: Any, partitions: Collection[TopicPartition]) -> dict[TopicPartition, OffsetRange]:
    """Returns the offsets that each partition holds now. `admin`: a KafkaAdminClient. Raises
    kafka.errors.KafkaError."""
    begin = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    end = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    return {each: OffsetRange(begin[each].offset, end[each].offset) for each in partitions}


def committed_offsets(
    config: KafkaConfig, groups: Collection[str], topics: Collection[str]
) -> dict[tuple[str, str, int], int]:
    """Returns (group, topic, partition) -> committed offset, of these groups and topics. What was never committed is
    missing. Opens a client for this one question. Blocks for a few seconds at most. Raises BrokerUnreachable."""
    options = {"bootstrap_timeout_ms": 5_000, "request_timeout_ms": 5_000}
    try:
        admin = open_client(KafkaAdminClient, **config.client_options(), **options)
        try:
            found = admin.list_group_offsets(list(groups))
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerUnreachable(type(error).__name__) from error
    return {
        (group, place.topic, place.partition): offset.offset
        for group, offsets in found.items()
        for place, offset in offsets.items()
        if place.topic in topics
    }


class KafkaDiagnostics:
    """Queries for one cluster. Every method may raise kafka.errors.KafkaError."""

    def __init__(self, config: KafkaConfig) -> None:
        """Connects. Blocks for at most five seconds."""
        self._admin: Any = KafkaAdminClient(**config.client_options(), **_OPTIONS)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Disconnects."""
        self._admin.close()

    def offset_ranges(self, topics: Collection[str]) -> dict[tuple[str, int], OffsetRange]:
        """Returns the offsets held, per (topic, partition). Missing topics are left out."""
        partitions = partitions_of(self._admin, topics)
        return {tuple(each): held for each, held in offset_ranges(self._admin, partitions).items()}

    def clock(self) -> BrokerClock | None:
        """Returns the controller's clock, or None where the brokers do not allow or support the request."""
        asked = datetime.now(UTC)
        try:
            (log,) = self._admin.describe_metadata_quorum()["topics"][0]["partitions"]
        except (ClusterAuthorizationFailedError, UnsupportedVersionError):
            return None
        answered = datetime.now(UTC)
        # The controller reports when each replica was last up to date. For itself, that is the current time.
        leader = next(v for v in log["current_voters"] if v["replica_id"] == log["leader_id"])
        return BrokerClock(datetime.fromtimestamp(leader["last_caught_up_timestamp"] / 1000, UTC), asked, answered)
