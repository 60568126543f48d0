"""A `consumers.workers.relay.KeyOrderedPublisher` in memory."""

from collections.abc import Sequence

from domain.ports import Delivery, OutgoingRecord


class FakeOrderedPublisher:
    """Stores published records in `records`. Does not acknowledge records whose value is in `failing`, and never
    accepts those in `refused`."""

    def __init__(self, *refused: bytes) -> None:
        self.records: list[OutgoingRecord] = []
        self.failing: set[bytes] = set()
        self.refused = set(refused)

    def publish(self, records: Sequence[OutgoingRecord]) -> list[Delivery]:
        """See the protocol. Never blocks."""
        deliveries = [
            Delivery(False, "too large for its topic")
            if record.value in self.refused
            else Delivery(record.value not in self.failing)
            for record in records
        ]
        self.records += [record for record, d in zip(records, deliveries, strict=True) if d.acknowledged]
        return deliveries

    def close(self) -> None:
        """See the protocol."""
