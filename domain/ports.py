"""Ports: interfaces to external systems, named by role. Adapters in `infra` and fakes in tests implement them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to publish. Records with the same key keep their order; a record without a key goes to any partition."""

    topic: str
    key: str | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class RecordPosition(NamedTuple):
    """The position of a record on its topic."""

    partition: int
    offset: int


class Delivery(NamedTuple):
    """What became of a record. `refused`: why it can never be stored (no content of the record); without a reason, a
    record that is not acknowledged may be published again."""

    acknowledged: bool
    refused: str | None = None


class PublishFailed(Exception):
    """Some of the records may not have been stored, so the caller must not rely on any of them. The failure is
    temporary: the caller may publish the same records again. The message names the cause and contains no data of the
    records."""


class RecordTooLarge(PublishFailed):
    """A record is larger than its topic allows: publishing the same record again will always fail."""


PublishDone = Callable[["Sequence[RecordPosition] | PublishFailed"], None]
"""Gets the positions of records that were published, in order, or why they must not be relied on. Is called once, in
any thread."""


class Publisher(Protocol):
    """Publishes records that must not be lost (architecture.md, P1)."""

    def publish(self, records: Sequence[OutgoingRecord], deadline_seconds: float) -> Sequence[RecordPosition]:
        """Publishes the records, blocks until all in-sync replicas have acknowledged every one, and returns their
        positions in order. Raises PublishFailed if that did not happen within `deadline_seconds`, and RecordTooLarge
        for records that can never be stored."""

    def begin(self, records: Sequence[OutgoingRecord], deadline_seconds: float, done: PublishDone) -> None:
        """Publishes the records and calls `done` with the outcome, perhaps before this returns. Never blocks. Records
        that still wait for others after `deadline_seconds` are not sent any more; the outcome of those that were sent
        may come later."""

    def not_ready_reasons(self) -> Sequence[str]:
        """Returns why the publisher cannot do its work, as texts for people; empty if it is ready. Never blocks."""
