"""Open pages of the directory: how presence, waiting conversations and the directory's version stood when a page was
last told. A stream tells a page only that something changed; the page then asks for it, so nothing here renders."""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from psycopg import Connection

from console.levels import ADMITTED
from console.live.broadcast import mark_changes
from infra.postgres.console import audit, sign_ins
from infra.postgres.console.roster import roster_mark
from infra.postgres.console.sign_ins import SessionTerms


@dataclass(eq=False, slots=True)
class WatchedDirectory:
    """A page of the directory that is open in a browser. `mark`: how everything stood when it was last told; `answers`:
    the numbers of results that were sent (`infra.postgres.console.audit.answer_counts`)."""

    session: bytes
    person: str
    mark: str | None = None
    answers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenDirectoryState:
    """How everything stands. `living`: the sessions that may still look; `answers`: per person, the number of results
    of each command."""

    mark: str
    living: Set[bytes]
    answers: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class DirectoryWatcher:
    """Reads how everything stands that open pages show. `presence_timeout`: see `RoutingPolicy`."""

    connection: Callable[[], AbstractContextManager[Connection[Any]]]
    sessions: SessionTerms
    presence_timeout: timedelta

    def look(self, shown: Sequence[WatchedDirectory]) -> OpenDirectoryState:
        """Raises psycopg errors."""
        sessions = {each.session for each in shown}
        with self.connection() as conn:
            return OpenDirectoryState(
                mark=roster_mark(conn, self.presence_timeout),
                living=sign_ins.live_people(conn, sessions, self.sessions, ADMITTED["overview"]).keys(),
                answers=audit.answer_counts(conn, {each.person for each in shown}),
            )


def directory_changes(shown: WatchedDirectory, now: OpenDirectoryState) -> Sequence[bytes] | None:
    """The events that tell a page that something changed (`console.live.broadcast.mark_changes`)."""
    return mark_changes(shown, now.mark, now.living, now.answers)
