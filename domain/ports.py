"""Ports: what processes need from the outside, named by role. Adapters in `infra` and fakes in tests fulfil them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """What stands on a topic. Records of one key keep their order; without a key any partition takes it."""

    topic: str
    key: str | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class RecordPosition(NamedTuple):
    """Where a record stands on its topic."""

    partition: int
    offset: int


class PublishFailed(Exception):
    """Some of the records may not be there and nobody should rely on any of them. It passes: the sender tries again.
    The message names what is missing and holds nothing of the records."""


class RecordTooLarge(PublishFailed):
    """One of the records is larger than what a topic holds: the same again will never be kept."""


class Publisher(Protocol):
    """Where records go that must not be lost (P1)."""

    def publish(self, records: Sequence[OutgoingRecord], deadline_seconds: float) -> Sequence[RecordPosition]:
        """Return when all in-sync replicas have every record, and where each stands; raise NotKept otherwise, by the
        deadline, and TooLarge for what never will be kept."""

    def not_ready_reasons(self) -> Sequence[str]:
        """What it lacks to do its work, in words; empty when it is able to. Never blocks."""
