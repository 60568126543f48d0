"""Finds partitions that hold records although no consumer has started to read them."""

from collections.abc import Collection
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from infra.kafka.client import open_client
from infra.kafka.config import KafkaConfig
from infra.kafka.consumer import BrokerUnreachable
from infra.kafka.diagnostics import offset_ranges, partitions_of

_REQUEST_MS = 5_000


class Backlog:
    """The unread partitions of one topic. Not thread-safe. Connects on the first call."""

    def __init__(self, config: KafkaConfig, topic: str) -> None:
        self._config = config
        self._topic = topic
        self._admin: Any = None

    def beyond(self, started: Collection[int]) -> list[int]:
        """Returns the partitions that hold records and are not in `started`. Asks the broker, so that partitions that
        were just added count too. Blocks for a few seconds at most. Raises BrokerUnreachable."""
        try:
            return self._query(started)
        except KafkaError as error:
            self.close()
            raise BrokerUnreachable(type(error).__name__) from error

    def close(self) -> None:
        """Disconnects. The next call connects again."""
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def _query(self, started: Collection[int]) -> list[int]:
        if self._admin is None:
            options = self._config.client_options()
            self._admin = open_client(
                KafkaAdminClient, **options, bootstrap_timeout_ms=_REQUEST_MS, request_timeout_ms=_REQUEST_MS
            )
        unread = [each for each in partitions_of(self._admin, [self._topic]) if each.partition not in started]
        if not unread:
            return []
        return sorted(
            each.partition for each, held in offset_ranges(self._admin, unread).items() if held.begin < held.end
        )
