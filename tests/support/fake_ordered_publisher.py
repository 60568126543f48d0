"""A `consumers.workers.relay.KeyOrderedPublisher` in memory."""

from collections.abc import Sequence

from domain.ports import OutgoingRecord


class FakeOrderedPublisher:
    """Stores published records in `records`. Does not acknowledge records whose value is in `refused`."""

    def __init__(self, *refused: bytes) -> None:
        self.records: list[OutgoingRecord] = []
        self.refused = set(refused)

    def publish(self, records: Sequence[OutgoingRecord]) -> list[bool]:
        """See the protocol. Never blocks."""
        acknowledged = [record.value not in self.refused for record in records]
        self.records += [record for record, accepted in zip(records, acknowledged, strict=True) if accepted]
        return acknowledged

    def close(self) -> None:
        """See the protocol."""
