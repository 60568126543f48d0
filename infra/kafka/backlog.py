"""Asks the broker what waits where no consumer has begun to read."""

from collections.abc import Collection
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from infra.kafka.client import open_client
from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import BrokerUnreachable
from infra.kafka.survey import offset_ranges, partitions_of

_ANSWER_MS = 5_000


class Backlog:
    """Of one topic. Not thread-safe; nothing is opened before the first question."""

    def __init__(self, config: KafkaConfig, topic: str) -> None:
        self._config = config
        self._topic = topic
        self._admin: Any = None

    def beyond(self, begun: Collection[int]) -> list[int]:
        """The partitions besides these that hold records, asked now: also those that were added a moment ago. Blocks
        for some seconds at most. Raises BrokerAway."""
        try:
            return self._ask(begun)
        except KafkaError as error:
            self.close()
            raise BrokerUnreachable(type(error).__name__) from error

    def close(self) -> None:
        """Disconnect; the next question connects again."""
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def _ask(self, begun: Collection[int]) -> list[int]:
        if self._admin is None:
            options = self._config.client_options()
            self._admin = open_client(
                KafkaAdminClient, **options, bootstrap_timeout_ms=_ANSWER_MS, request_timeout_ms=_ANSWER_MS
            )
        beyond = [each for each in partitions_of(self._admin, [self._topic]) if each.partition not in begun]
        if not beyond:
            return []
        return sorted(
            each.partition for each, holds in offset_ranges(self._admin, beyond).items() if holds.begin < holds.end
        )
