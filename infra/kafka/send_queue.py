"""The queue in front of a Kafka producer. It sends in groups: what is published while earlier groups wait for their
acknowledgement becomes the next group. So a lone record leaves at once, and under load few, full requests reach the
broker (docs/decisions/0035).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError, RecordListTooLargeError

from domain.ports import OutgoingRecord, PublishDone, PublishFailed, RecordPosition, RecordTooLarge
from infra.kafka.faults import kafka_fault
from infra.kafka.producer_client import Acknowledged, ProducerClient

GROUPS = 2
"""How many groups wait for acknowledgement at a time: while the broker works on one, the next is on its way."""
_GROUP_BYTES = 1024 * 1024
_TOO_LARGE = (MessageSizeTooLargeError.__name__, RecordListTooLargeError.__name__)


@dataclass(frozen=True, slots=True)
class PublishLimits:
    """Limits for what may wait for acknowledgement at the same time: records, and bytes of their values. A call beyond
    them fails at once.

    `overdue_seconds`: a group that waits for longer holds up nobody. One of several brokers may have failed, which the
    others notice within seconds; what they lead is acknowledged meanwhile."""

    records: int = 20_000
    bytes: int = 64 * 1024 * 1024
    overdue_seconds: float = 0.25


@dataclass(eq=False, slots=True)
class _Group:
    """Calls that are sent together; `calls` of them are not finished. `sent_at`: when the last record was handed to the
    producer."""

    calls: int
    sent_at: float


class Call:
    """The records of one call. `until`: the monotonic time after which they are not sent any more. `done`: gets the
    outcome, in any thread. `group`: None until they are handed to the producer."""

    def __init__(self, records: Sequence[OutgoingRecord], until: float, done: PublishDone) -> None:
        self.records = records
        self.many = len(records)
        self.size = sum([len(record.value) for record in records])
        self.until = until
        self.done = done
        self.group: _Group | None = None
        self.left = self.many
        self.positions: dict[int, RecordPosition] = {}
        self.failure: str | None = None


class SendQueue:
    """The calls in front of one producer. Thread-safe; never blocks. `is_useless`: whether an error has shown that the
    producer can never succeed again."""

    def __init__(self, client: ProducerClient, limits: PublishLimits, found_useless: Callable[[], None]) -> None:
        """`found_useless` is called when `is_useless` becomes true."""
        self._client = client
        self._limits = limits
        self._found_useless = found_useless
        self.is_useless = False
        self._lock = threading.Lock()
        self._queued: deque[Call] = deque()
        self._under_way: list[_Group] = []
        """The groups that wait for acknowledgement, oldest first."""
        self._records = self._bytes = 0

    def add(self, call: Call) -> None:
        """Sends a call, at once or as a part of the next group. Its outcome may be reported before this returns. A call
        for which there is no room fails at once."""
        limits = self._limits
        with self._lock:
            fits = self._records + call.many <= limits.records and self._bytes + call.size <= limits.bytes
            if fits:
                self._records += call.many
                self._bytes += call.size
                self._queued.append(call)
        if fits:
            self.send_next()
        else:
            call.done(PublishFailed("too many records are waiting for kafka"))

    def send_next(self) -> None:
        """Hands the next group to the producer, unless enough are under way. Never blocks."""
        with self._lock:
            since = time.monotonic() - self._limits.overdue_seconds
            if not self._queued or sum(group.sent_at > since for group in self._under_way) >= GROUPS:
                return
            calls, size = [self._queued.popleft()], 0
            while self._queued and (size := size + calls[-1].size) < _GROUP_BYTES:
                calls.append(self._queued.popleft())
            group = _Group(len(calls), time.monotonic())
            self._under_way.append(group)
        for call in calls:
            call.group = group
            self._send(call)
        self._client.wake()

    def fail_queued(self) -> None:
        """Ends all calls that were not sent yet."""
        with self._lock:
            queued, self._queued = self._queued, deque()
            for call in queued:
                self._records -= call.many
                self._bytes -= call.size
        for call in queued:
            call.done(PublishFailed("kafka: the producer is replaced"))

    def is_stuck(self, seconds: float) -> bool:
        """Whether a group was sent this long ago, and is neither acknowledged nor has failed."""
        with self._lock:
            return bool(self._under_way) and time.monotonic() - self._under_way[0].sent_at > seconds

    def _send(self, call: Call) -> None:
        sent = 0
        try:
            for record in call.records:
                if (now := time.monotonic()) > call.until:
                    raise KafkaTimeoutError("too many records for the deadline")
                if call.group is not None:
                    call.group.sent_at = now  # a long call is not stuck while its records are handed over
                self._client.send(record, partial(self._acknowledged, call, sent), partial(self._failed, call))
                sent += 1
        except Exception as error:  # besides its own errors, kafka-python raises ValueError for a deleted topic
            self._judge(error)
            self._finish(call, call.many - sent, type(error).__name__)

    def _acknowledged(self, call: Call, place: int, where: Acknowledged) -> None:
        call.positions[place] = RecordPosition(where.partition, where.offset)
        self._finish(call, 1, None)

    def _failed(self, call: Call, error: Exception) -> None:
        self._judge(error)
        self._finish(call, 1, type(error).__name__)
        # Breaks a reference cycle: the record's future holds the error, and the error the frames in which it was
        # raised, with the body. The cycle would live until the garbage collector runs, which counts objects, not bytes:
        # while a broker was frozen, bodies of 3 MB held half a gigabyte this way.
        error.__traceback__ = None

    def _judge(self, error: Exception) -> None:
        if not self.is_useless and isinstance(error, KafkaError) and kafka_fault(error) == "client":
            self.is_useless = True
            self._found_useless()

    def _finish(self, call: Call, records: int, failure: str | None) -> None:
        """Counts records of a call that are acknowledged or have failed. After the last one, reports the outcome; after
        the last one of the group, sends the next group."""
        with self._lock:
            call.failure = call.failure or failure
            call.left -= records
            if call.left:
                return
            self._records -= call.many
            self._bytes -= call.size
            assert call.group is not None
            call.group.calls -= 1
            is_last = not call.group.calls
            if is_last:
                self._under_way.remove(call.group)
        call.records = ()
        call.done(_outcome(call))
        if is_last:
            self.send_next()


def _outcome(call: Call) -> Sequence[RecordPosition] | PublishFailed:
    if call.failure is None:
        return [call.positions[place] for place in range(call.many)]
    return (RecordTooLarge if call.failure in _TOO_LARGE else PublishFailed)(f"kafka: {call.failure}")
