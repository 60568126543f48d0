"""Open pages of campaigns: how each campaign stood when its page was last told. A stream tells a page only that
something changed; the page then asks for it, so nothing here renders."""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import Connection

from console.levels import ADMITTED
from console.live.broadcast import mark_changes
from infra.postgres.campaigns.pages.marks import marks_of
from infra.postgres.console import audit, sign_ins
from infra.postgres.console.sign_ins import SessionTerms


@dataclass(eq=False, slots=True)
class WatchedCampaign:
    """A campaign's page that is open in a browser. `about`: the campaign, or the file of a new one that is waited for;
    `mark`: how that stood when the page was last told; `answers`: the numbers of results that were sent
    (`infra.postgres.console.audit.answer_counts`)."""

    session: bytes
    person: str
    about: UUID
    mark: str | None = None
    answers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenCampaignsState:
    """How the campaigns stand whose pages are open. `living`: the sessions that may still look; `answers`: per person,
    the number of results of each command."""

    marks: Mapping[UUID, str]
    living: Set[bytes]
    answers: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class CampaignWatcher:
    """Reads how the campaigns stand whose pages are open."""

    connection: Callable[[], AbstractContextManager[Connection[Any]]]
    sessions: SessionTerms

    def look(self, shown: Sequence[WatchedCampaign]) -> OpenCampaignsState:
        """Raises psycopg errors."""
        with self.connection() as conn:
            sessions = {each.session for each in shown}
            return OpenCampaignsState(
                marks=marks_of(conn, {each.about for each in shown}),
                living=sign_ins.live_people(conn, sessions, self.sessions, ADMITTED["campaigns"]).keys(),
                answers=audit.answer_counts(conn, {each.person for each in shown}),
            )


def campaign_changes(shown: WatchedCampaign, now: OpenCampaignsState) -> Sequence[bytes] | None:
    """The events that tell a page that something changed (`console.live.broadcast.mark_changes`)."""
    return mark_changes(shown, now.marks.get(shown.about), now.living, now.answers)
