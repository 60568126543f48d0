"""A `domain.ports.Publisher` in memory."""

from collections.abc import Sequence

from domain.ports import OutgoingRecord, PublishFailed, RecordPosition, RecordTooLarge

LARGEST = 4 * 1024 * 1024
"""Bytes of a record."""


class FakePublisher:
    """Keeps what is published in `records`, and the `deadlines` that it was given; while `away` it
    keeps nothing, like a broker that does not answer."""

    def __init__(self, *, away: bool = False) -> None:
        self.records: list[OutgoingRecord] = []
        self.deadlines: list[float] = []
        self.away = away

    def publish(self, records: Sequence[OutgoingRecord], deadline_seconds: float) -> Sequence[RecordPosition]:
        """See the port; a fake never waits. Its topics have one partition."""
        self.deadlines.append(deadline_seconds)
        if self.away:
            raise PublishFailed("kafka: no answer")
        if any(len(record.value) > LARGEST for record in records):
            raise RecordTooLarge("kafka: too large")
        places = []
        for record in records:
            places.append(RecordPosition(0, len(self.on(record.topic))))
            self.records.append(record)
        return places

    def not_ready_reasons(self) -> Sequence[str]:
        """See the port."""
        return ("kafka: no answer",) if self.away else ()

    def on(self, topic: str) -> list[OutgoingRecord]:
        """What stands on a topic, oldest first."""
        return [record for record in self.records if record.topic == topic]
