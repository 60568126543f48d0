"""Open agents' pages: what each of them has, and whether that is still how things stand. A stream tells a page only
that something changed; the page then asks for it. So one look costs the same few statements however many pages are
open, and nothing here renders."""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection

from console.levels import ADMITTED
from console.live.broadcast import event, new_results
from infra.postgres.console import audit, desks, sign_ins
from infra.postgres.console.sign_ins import SessionTerms
from infra.postgres.lists import conversation_page


@dataclass(eq=False, slots=True)
class WatchedDesk:
    """An agents' page that is open in a browser. `open`: the conversation that it shows; `own`, `open_mark`: how the
    agent's own conversations and the open one stood when the page was last told; `answers`: the numbers of results that
    were sent (`infra.postgres.console.audit.answer_counts`)."""

    session: bytes
    person: str
    open: UUID | None
    own: str | None = None
    open_mark: str | None = None
    answers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenDesksState:
    """How everything stands that open pages show. `own`: per agent, the mark of what they have; `open`: the marks of
    open conversations; `living`: the sessions that may still look; `answers`: per person, the number of results of each
    command."""

    own: Mapping[str, str]
    open: Mapping[UUID, str]
    living: Set[bytes]
    answers: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class DeskWatcher:
    """Reads how everything stands that open pages show. `presence_timeout`: see `RoutingPolicy`."""

    connection: Callable[[], AbstractContextManager[Connection[Any]]]
    sessions: SessionTerms
    presence_timeout: timedelta

    def look(self, shown: Sequence[WatchedDesk]) -> OpenDesksState:
        """Raises psycopg errors."""
        people = {each.person for each in shown}
        with self.connection() as conn:
            sessions = {each.session for each in shown}
            return OpenDesksState(
                own=desks.marks(conn, people, self.presence_timeout),
                open=conversation_page.marks(conn, {each.open for each in shown if each.open}),
                living=sign_ins.live_people(conn, sessions, self.sessions, ADMITTED["desk"]).keys(),
                answers=audit.answer_counts(conn, people),
            )


def desk_changes(shown: WatchedDesk, now: OpenDesksState) -> Sequence[bytes] | None:
    """The events that tell a page that something changed; None: its session may no longer look. The first look tells a
    page in any case: something may have changed between its reading and its stream."""
    if shown.session not in now.living:
        return None
    events = []
    own, mark = now.own.get(shown.person), now.open.get(shown.open) if shown.open else None
    if (own, mark) != (shown.own, shown.open_mark):
        shown.own, shown.open_mark = own, mark
        events.append(event("open"))
    events += new_results(shown, now.answers)
    return events
