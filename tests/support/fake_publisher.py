"""A `domain.ports.Publisher` in memory."""

from collections.abc import Sequence

from domain.ports import OutgoingRecord, PublishDone, PublishFailed, RecordPosition, RecordTooLarge

LARGEST = 4 * 1024 * 1024
"""Size limit of a record's value, in bytes."""


class FakePublisher:
    """Stores published records in `records`, and the deadline of each call in `deadlines`. While `unreachable`, every
    call fails as if no broker answered."""

    def __init__(self, *, unreachable: bool = False) -> None:
        self.records: list[OutgoingRecord] = []
        self.deadlines: list[float] = []
        self.unreachable = unreachable

    def publish(self, records: Sequence[OutgoingRecord], deadline_seconds: float) -> Sequence[RecordPosition]:
        """See the port. Never blocks. Every topic has one partition."""
        self.deadlines.append(deadline_seconds)
        if self.unreachable:
            raise PublishFailed("kafka: no answer")
        if any(len(record.value) > LARGEST for record in records):
            raise RecordTooLarge("kafka: too large")
        positions = []
        for record in records:
            positions.append(RecordPosition(0, len(self.on(record.topic))))
            self.records.append(record)
        return positions

    def begin(self, records: Sequence[OutgoingRecord], deadline_seconds: float, done: PublishDone) -> None:
        """See the port. The outcome is known at once."""
        try:
            done(self.publish(records, deadline_seconds))
        except PublishFailed as failure:
            done(failure)

    def not_ready_reasons(self) -> Sequence[str]:
        """See the port."""
        return ("kafka: no answer",) if self.unreachable else ()

    def on(self, topic: str) -> list[OutgoingRecord]:
        """Returns the records of a topic, oldest first."""
        return [record for record in self.records if record.topic == topic]
