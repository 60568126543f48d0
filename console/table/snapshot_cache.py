"""Cache of list pages, valid while the database snapshot is unchanged.

The console has five caches. The figures are CPU time of one process per list of 25 rows, which costs about 2 ms with
all of them; a page then takes 2.1 to 2.8 times as long as an empty one, and at most 3.0 is allowed. They were measured
on a busy machine and scatter by 0.3 ms. Other texts, times and addresses are formatted each time: with these five,
caching them made no measurable difference.

* `SnapshotCache` here: the rows and totals of a list. A page then needs one statement, for its session, instead of
  three to five; it also saves 0.6 ms.
* `console.table.rows._rendered`: the HTML of a row, for all people who look at it, by the version of the conversation
  and the minute of its times. Saves 5 ms per page, and in the stream the rendering of the same row for each open list.
* `console.pages.unmanaged._rendered_filter_bar`: the HTML of the filters. Saves 0.3 ms; few filters are in use at once.
* `console.live.watch._rendered_header`: the HTML above a list in the stream. It changes with almost every commit and
  costs 0.3 ms, which for five hundred open lists would be 170 ms per look; most of them have the same.
* `console.words.phone`: formatted phone numbers, which cost about 1 ms per 25 rows that are rendered.
"""

from collections.abc import Callable, Hashable
from time import monotonic
from typing import TypeVar, cast

MOST = 512
"""The most entries. When it is reached all of them are dropped."""
_SECONDS = 60.0
"""The longest age of an entry: after a failover another database may count its transactions alike."""

T = TypeVar("T")


class SnapshotCache:
    """A cache of one process. Thread-safe."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, tuple[str, float, object]] = {}

    def get(self, as_of: str, key: Hashable, read: Callable[[], T]) -> T:
        """Returns what `read` returned for this key in the same snapshot, else calls it. `as_of`: the database
        snapshot, taken before: while it is the same, the same transactions are visible, so a query returns the same
        rows."""
        found = self._entries.get(key)
        if found is not None and found[0] == as_of and monotonic() - found[1] < _SECONDS:
            return cast(T, found[2])
        value = read()
        if len(self._entries) >= MOST:
            self._entries.clear()
        self._entries[key] = as_of, monotonic(), value
        return value
