"""Poison: items that cannot be processed, now or later. Shared by consumers, whose items are records, and by workers,
whose items are conversations.

An item that is wrong by its sender's doing is excluded, however many there are. Any other failure might be ours: the
batch is halved until the failing item stands alone, that item is excluded, and the rest proceeds. Much of it at once
*is* taken for a defect of ours, and then nothing more of its origin is excluded (docs/decisions/0006, 0017).
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from threading import Lock
from time import monotonic, sleep
from typing import Any, Literal, TypeVar

import psycopg

from infra.postgres.connections.faults import fault
from infra.postgres.messaging.offsets import FencedOut
from infra.process.backoff import Backoff

WHOLE_BATCH = 10
"""At least this many items of one origin in a batch, all of which fail, are our defect: none of them is excluded."""
SLOW_ATTEMPTS = 3
"""An item that is not processed in time, alone and this often, is excluded."""
RETRIES = 200
"""A batch that finds its rows locked or changed by others this often, within about 20 s, takes too long: it is made
smaller, and a single item is excluded after a minute. No session holds a lock that long."""

Item = TypeVar("Item")

Transact = Callable[[Sequence[Item], Mapping[int, str]], None]
"""Processes consecutive items in one transaction. The mapping holds the indexes of items to exclude, with the reasons:
a record becomes a dead letter, for example. Raises Poison, RetryBatch, FencedOut, psycopg errors; any other exception
is a defect of ours."""


class Poison(Exception):
    """An item that cannot be processed, now or later, by its sender's doing. The reason holds no personal data."""

    def __init__(self, item: object, reason: str) -> None:
        super().__init__(reason)
        self.item = item
        self.reason = reason


class RetryBatch(Exception):
    """Another writer changed what this batch had read before it got the locks, or holds a lock that this batch must not
    wait for: the same batch is tried again some milliseconds later."""


class PoisonStorm(Exception):
    """So much fails that the defect must be ours. `origin`: where the failing items come from."""

    def __init__(self, origin: Hashable, reason: str) -> None:
        super().__init__(reason)
        self.origin = origin


class PoisonPolicy:
    """How a process isolates poison, and how much of it the process accepts: more than `per_minute` failures of one
    origin are a storm. One object serves all threads of a process. `pause`: waits for some milliseconds. `origin`:
    where an item comes from, e.g. its partition."""

    def __init__(
        self,
        per_minute: int = 20,
        pause: Callable[[float], None] = sleep,
        origin: Callable[[Any], Hashable] = lambda _: None,
    ) -> None:
        self.per_minute = per_minute
        self._pause = pause
        self._origin = origin
        self._found_at: dict[Hashable, deque[float]] = {}
        self._lock = Lock()

    def process(self, items: Sequence[Item], transact: "Transact[Item]") -> None:
        """Processes or excludes every item, in as few transactions as the poison allows. Raises PoisonStorm, FencedOut,
        and psycopg errors that may pass; transactions that were committed stay."""
        excluded: dict[int, str] = {}
        failed: set[int] = set()  # those of the excluded items that are not their sender's doing
        begin, size, time_outs, is_slow = 0, len(items), 0, False
        contended, retries = Backoff(0.005, 0.1), 0
        while begin < len(items):
            end = min(begin + size, len(items))
            suspects = [index for index in range(begin, end) if index not in excluded]
            try:
                transact(items[begin:end], {i - begin: why for i, why in excluded.items() if begin <= i < end})
            except Poison as found:
                excluded[items.index(found.item, begin)] = found.reason
            except FencedOut:
                raise
            except Exception as error:  # whatever one item leads to, the others do not suffer from it
                if isinstance(error, RetryBatch):
                    retries += 1
                    if retries % RETRIES:
                        self._pause(contended.next())
                        continue
                meaning = _meaning(error)
                if meaning == "transient" or not suspects:
                    raise
                is_slow |= meaning == "slow"
                if len(suspects) > 1:
                    # a prefix, so that items are processed in order; what takes long is made much smaller at once
                    size = suspects[len(suspects) // (8 if meaning == "slow" else 2) or 1] - begin
                    continue
                origin = self._origin(items[suspects[0]])
                if meaning == "ours":
                    raise PoisonStorm(origin, f"a defect of the program ({_reason(error)})") from error
                time_outs += meaning == "slow"
                if meaning == "slow" and time_outs < SLOW_ATTEMPTS:
                    continue
                excluded[suspects[0]] = _reason(error)
                failed.add(suspects[0])
                self._refuse_storm(items, origin, failed, begin)
                size = size if is_slow else len(items)
            else:
                for index in failed & set(range(begin, end)):
                    self.count(1, self._origin(items[index]))
                begin, time_outs, retries = end, 0, 0
                size = 2 * size if is_slow else len(items)

    def count(self, items: int, origin: Hashable = None) -> None:
        """Counts excluded items that failed."""
        with self._lock:
            self._found_at.setdefault(origin, deque()).extend([monotonic()] * items)

    def is_storm(self, waiting: int, origin: Hashable = None) -> bool:
        """Returns whether `waiting` more failures, on top of those of the last minute, are a storm."""
        with self._lock:
            found_at = self._found_at.get(origin, deque())
            while found_at and found_at[0] < monotonic() - 60:
                found_at.popleft()
            return len(found_at) + waiting > self.per_minute

    def _refuse_storm(self, items: Sequence[Item], origin: Hashable, failed: set[int], begin: int) -> None:
        """Raises PoisonStorm. What failed before `begin` was excluded and counted already."""
        of_origin = {index for index, item in enumerate(items) if self._origin(item) == origin}
        if WHOLE_BATCH <= len(of_origin) == len(of_origin & failed):
            raise PoisonStorm(origin, "a whole batch could not be processed; none of it was excluded")
        if self.is_storm(sum(index >= begin for index in of_origin & failed), origin):
            raise PoisonStorm(origin, f"more than {self.per_minute} items a minute could not be processed")


def _meaning(error: Exception) -> Literal["poison", "slow", "transient", "ours"]:
    if isinstance(error, RetryBatch):
        return "slow"
    return fault(error) if isinstance(error, psycopg.Error) else "poison"


def _reason(error: Exception) -> str:
    if isinstance(error, RetryBatch):
        return "others had locked or changed its rows each time"
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return f"SQLSTATE {state}" if state else type(error).__name__
