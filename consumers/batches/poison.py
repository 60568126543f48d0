"""Poison: items that cannot be processed, now or later. Shared by consumers, whose items are records, and by workers,
whose items are conversations.

A batch that fails is halved until the failing item stands alone; that item is excluded and the rest proceeds. Much
poison at once is taken for a defect of ours, and then nothing is excluded.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from time import monotonic, sleep
from typing import TypeVar

import psycopg

from infra.postgres.connections.faults import fault
from infra.process.backoff import Backoff

WHOLE_BATCH = 10
"""A batch of at least this many items, all poison, is our defect, not the senders': none of them is excluded."""

Item = TypeVar("Item")

Transact = Callable[[Sequence[Item], Mapping[int, str]], None]
"""Processes consecutive items in one transaction. The mapping holds the indexes of items to exclude, with the reasons:
a record becomes a dead letter, for example. Raises Poison, RetryBatch, psycopg errors."""


class Poison(Exception):
    """An item that cannot be processed, now or later. The reason holds no personal data."""

    def __init__(self, item: object, reason: str) -> None:
        super().__init__(reason)
        self.item = item
        self.reason = reason


class RetryBatch(Exception):
    """Another writer changed what this batch had read before it got the locks, or holds a lock that this batch must not
    wait for: the same batch is tried again some milliseconds later."""


class PoisonStorm(Exception):
    """So much poison that the defect must be ours."""


class PoisonPolicy:
    """How a process isolates poison, and how much of it the process accepts: more than `per_minute` is a storm. One
    object serves all threads of a process. `pause`: waits for some milliseconds."""

    def __init__(self, per_minute: int = 20, pause: Callable[[float], None] = sleep) -> None:
        self.per_minute = per_minute
        self._pause = pause
        self._found_at: deque[float] = deque()
        self._lock = Lock()

    def process(self, items: Sequence[Item], transact: "Transact[Item]") -> None:
        """Processes or excludes every item, in as few transactions as the poison allows. Raises PoisonStorm, psycopg
        errors that are not poison, and whatever else `transact` raises; transactions that were committed stay."""
        poison: dict[int, str] = {}
        begin, size = 0, len(items)
        contended = Backoff(0.005, 0.1)
        while begin < len(items):
            end = min(begin + size, len(items))
            suspects = [index for index in range(begin, end) if index not in poison]
            excluded = {index - begin: reason for index, reason in poison.items() if begin <= index < end}
            try:
                transact(items[begin:end], excluded)
            except RetryBatch:
                self._pause(contended.next())
            except Poison as found:
                poison[items.index(found.item, begin)] = found.reason
                self._refuse_storm(len(items), poison, begin)
            except psycopg.Error as error:
                if fault(error) != "poison":
                    raise
                if len(suspects) == 1:
                    poison[suspects[0]] = f"SQLSTATE {error.sqlstate}"
                    self._refuse_storm(len(items), poison, begin)
                    size = len(items)
                else:
                    # halved as prefixes, so that items are processed in order
                    size = suspects[len(suspects) // 2 - 1] + 1 - begin
            else:
                self.count(len(excluded))
                begin, size = end, len(items)

    def count(self, items: int) -> None:
        """Counts excluded items."""
        with self._lock:
            self._found_at.extend([monotonic()] * items)

    def is_storm(self, waiting: int) -> bool:
        """Returns whether `waiting` more items, on top of those of the last minute, are a storm."""
        with self._lock:
            while self._found_at and self._found_at[0] < monotonic() - 60:
                self._found_at.popleft()
            return len(self._found_at) + waiting > self.per_minute

    def _refuse_storm(self, items: int, poison: Mapping[int, str], begin: int) -> None:
        """Raises PoisonStorm. Poison before `begin` was excluded and counted already."""
        if len(poison) == items >= WHOLE_BATCH:
            raise PoisonStorm("a whole batch could not be processed; none of it was excluded")
        if self.is_storm(sum(index >= begin for index in poison)):
            raise PoisonStorm(f"more than {self.per_minute} items a minute could not be processed")
