"""Poison: records that cannot be processed, and how many of them a process accepts before it blames itself."""

from collections import deque
from threading import Lock
from time import monotonic

from infra.kafka.consumer import IncomingRecord

WHOLE_POLL = 10
"""A poll of at least this many records, all poison, is our bug, not theirs: nothing of it is put aside."""


class Poison(Exception):
    """This record cannot be worked in, now or later. The reason holds no personal data."""

    def __init__(self, record: IncomingRecord, reason: str) -> None:
        super().__init__(reason)
        self.record = record
        self.reason = reason


class PoisonStorm(Exception):
    """So much poison that the fault is ours."""


class PoisonLimit:
    """How much poison a process believes in: more than `per_minute` is a storm. Shared by its threads."""

    def __init__(self, per_minute: int = 20) -> None:
        self.per_minute = per_minute
        self._found_at: deque[float] = deque()
        self._lock = Lock()

    def found(self, records: int) -> None:
        """So many records were put aside."""
        with self._lock:
            self._found_at.extend([monotonic()] * records)

    def exceeded(self, waiting: int) -> bool:
        """Whether `waiting` more, on top of the last minute's, are a storm."""
        with self._lock:
            while self._found_at and self._found_at[0] < monotonic() - 60:
                self._found_at.popleft()
            return len(self._found_at) + waiting > self.per_minute
