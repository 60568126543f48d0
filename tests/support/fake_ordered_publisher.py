"""A `consumers.workers.relay.InOrder` in memory."""

from collections.abc import Sequence

from domain.ports import OutgoingRecord


class FakeOrderedPublisher:
    """Stores published records in `records`. Records whose value is in `refused` are neither stored nor
    acknowledged."""

    def __init__(self, *refused: bytes) -> None:
        self.records: list[OutgoingRecord] = []
        self.refused = set(refused)

    def publish(self, records: Sequence[OutgoingRecord]) -> list[bool]:
        """See the port; a fake never waits."""
        acknowledged = [record.value not in self.refused for record in records]
        self.records += [record for record, done in zip(records, acknowledged, strict=True) if done]
        return acknowledged

    def close(self) -> None:
        """See the port."""
