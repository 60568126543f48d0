"""What a batch shows of the things outside, noted at most every few seconds (docs/design/set-up.md)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import Any

from psycopg import Connection

from domain.setup.sightings import Sighting
from infra.postgres.setup.sightings import note_sightings

_SECONDS = 10.0
"""How often the same is noted at most. Each note locks its row until the batch is committed."""
_KNOWN = 20_000
"""More are forgotten all at once: there are as many as numbers and fields."""


class SightingNotes:
    """Notes sightings of one consumer. Thread-safe: two threads that note the same do no harm. `clock`: seconds that
    only increase."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._noted: dict[Sighting, tuple[float, datetime]] = {}
        """When each may be noted again, and what was noted last."""

    def note(self, connection: Connection[Any], seen: Mapping[Sighting, datetime]) -> None:
        """Notes what is due, in the transaction of the batch. Raises psycopg errors."""
        now = self._clock()
        due = {sighting: at for sighting, at in seen.items() if self._is_due(sighting, at, now)}
        note_sightings(connection, due)
        if len(self._noted) > _KNOWN:
            self._noted.clear()
        self._noted |= {sighting: (now + _SECONDS, at) for sighting, at in due.items()}

    def _is_due(self, sighting: Sighting, at: datetime, now: float) -> bool:
        # a batch that was rolled back comes again, with the same time
        again, noted = self._noted.get(sighting, (now, at))
        return now >= again or at == noted
