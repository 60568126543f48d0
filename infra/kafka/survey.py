"""What `witiop doctor` asks the brokers."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import ClusterAuthorizationFailedError, UnsupportedVersionError

from infra.kafka.config import KafkaConfig

_OPTIONS = {"bootstrap_timeout_ms": 5_000, "request_timeout_ms": 10_000}


class Held(NamedTuple):
    """The records of a partition that are still there: from `begin` to before `end`."""

    begin: int
    end: int


class BrokerClock(NamedTuple):
    """Kafka's now, and ours at the two ends of the question (aware UTC)."""

    now: datetime
    asked: datetime
    answered: datetime


def partitions_of(admin: Any, topics: Collection[str]) -> list[TopicPartition]:
    """As they are now; topics that are missing have none. `admin`: kafka-python's. Raises kafka.errors.KafkaError."""
    return [
        TopicPartition(topic["name"], partition["partition_index"])
        for topic in admin.describe_topics(list(topics))
        if topic["error_code"] == 0
        for partition in topic["partitions"]
    ]


def offset_ranges(admin: Any, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Held]:
    """What these hold now. `admin` and errors as above."""
    begin = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    end = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    return {each: Held(begin[each].offset, end[each].offset) for each in partitions}


class KafkaDiagnostics:
    """Of topics: what is held, per (topic, partition). Raises kafka.errors.KafkaError."""

    def __init__(self, config: KafkaConfig) -> None:
        """Blocks for at most five seconds."""
        self._admin: Any = KafkaAdminClient(**config.client_options(), **_OPTIONS)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Disconnect."""
        self._admin.close()

    def held(self, topics: Collection[str]) -> dict[tuple[str, int], Held]:
        """Topics that are missing are left out."""
        partitions = partitions_of(self._admin, topics)
        return {tuple(each): holds for each, holds in offset_ranges(self._admin, partitions).items()}

    def clock(self) -> BrokerClock | None:
        """The controller's clock: it tells when each of its replicas was up to date, of itself it tells the moment.
        None where the brokers do not let us ask."""
        asked = datetime.now(UTC)
        try:
            (log,) = self._admin.describe_metadata_quorum()["topics"][0]["partitions"]
        except (ClusterAuthorizationFailedError, UnsupportedVersionError):
            return None
        answered = datetime.now(UTC)
        told = next(v["last_caught_up_timestamp"] for v in log["current_voters"] if v["replica_id"] == log["leader_id"])
        return BrokerClock(datetime.fromtimestamp(told / 1000, UTC), asked, answered)
