"""A `consumers.workers.relay.InOrder` in memory."""

from collections.abc import Sequence

from domain.ports import OutgoingRecord


class FakeOrderedPublisher:
    """Keeps what is published in `records`, except the values in `refused`, which it does not acknowledge."""

    def __init__(self, *refused: bytes) -> None:
        self.records: list[OutgoingRecord] = []
        self.refused = set(refused)

    def publish(self, records: Sequence[OutgoingRecord]) -> list[bool]:
        """See the port; a fake never waits."""
        taken = [record.value not in self.refused for record in records]
        self.records += [record for record, acknowledged in zip(records, taken, strict=True) if acknowledged]
        return taken

    def close(self) -> None:
        """See the port."""
