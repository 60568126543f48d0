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


class Clock(NamedTuple):
    """Kafka's now, and ours at the two ends of the question (aware UTC)."""

    now: datetime
    asked: datetime
    answered: datetime


class KafkaSurvey:
    """Of topics: what is held, per (topic, partition). Raises kafka.errors.KafkaError."""

    def __init__(self, config: KafkaConfig) -> None:
        """Blocks for at most five seconds."""
        self._admin: Any = KafkaAdminClient(**config.client_options(), **_OPTIONS)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Disconnect."""
        self._admin.close()

    def held(self, topics: Collection[str]) -> dict[tuple[str, int], Held]:
        """Topics that are missing are left out."""
        described = [topic for topic in self._admin.describe_topics(list(topics)) if topic["error_code"] == 0]
        partitions = [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in described
            for partition in topic["partitions"]
        ]
        begin = self._admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
        end = self._admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        return {tuple(each): Held(begin[each].offset, end[each].offset) for each in partitions}

    def clock(self) -> Clock | None:
        """The controller's clock: it tells when each of its replicas was up to date, of itself it tells the moment.
        None where the brokers do not let us ask."""
        asked = datetime.now(UTC)
        try:
            (log,) = self._admin.describe_metadata_quorum()["topics"][0]["partitions"]
        except (ClusterAuthorizationFailedError, UnsupportedVersionError):
            return None
        answered = datetime.now(UTC)
        told = next(v["last_caught_up_timestamp"] for v in log["current_voters"] if v["replica_id"] == log["leader_id"])
        return Clock(datetime.fromtimestamp(told / 1000, UTC), asked, answered)
