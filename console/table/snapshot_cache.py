"""What was read of the database and is still so: the same lists are opened again and again, mostly with nothing new."""

from collections.abc import Callable, Hashable
from time import monotonic
from typing import TypeVar, cast

MOST = 512
"""More is forgotten, all at once."""
_SECONDS = 60.0
"""A database that took another's place may count its transactions as that one did."""

T = TypeVar("T")


class SnapshotCache:
    """Of one process; any thread may ask."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[str, float, object]] = {}

    def get(self, as_of: str, key: Hashable, read: Callable[[], T]) -> T:
        """What `read` gave under this key while the database stood as it does now. `as_of`: its snapshot, taken before:
        as long as that is the same the same transactions are seen, so whatever is read is what was read."""
        found = self._kept.get(key)
        if found is not None and found[0] == as_of and monotonic() - found[1] < _SECONDS:
            return cast(T, found[2])
        value = read()
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[key] = as_of, monotonic(), value
        return value
