"""How far the words of messages have come. Raises psycopg errors."""

from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

_LOCK = 0x776F_7264_73
"""Key of the advisory lock of the process that fills words: the bytes of "words"."""


_LATE_SECONDS = 60.0
"""While nothing changes, a third of this passes between two notes of how far the words have come."""


class Walk(NamedTuple):
    """A walk through all conversations, the latest first, that finds what changed without being on the list.
    `compared_to`: the conversations from here on were compared; None: none yet. `began_at` None: no walk is under way.
    `ended_with`: when the last one that came to its end began."""

    compared_to: UUID | None
    began_at: datetime | None
    ended_with: datetime | None


class SearchFreshness(NamedTuple):
    """What a search knows of messages. `searched_until`: all that was processed before is known; None: nothing.
    `complete_since`: of conversations that were opened earlier, only what the list shows is known; None: there are no
    such. `late_by`: seconds."""

    searched_until: datetime | None
    complete_since: datetime | None
    late_by: float

    @property
    def is_late(self) -> bool:
        """Whether a person might search for a message that they know of, and miss it."""
        return self.late_by > _LATE_SECONDS

    @property
    def is_complete(self) -> bool:
        """Whether all messages but those of the last moments are known."""
        return not self.is_late and self.complete_since is None


def lock(connection: Connection[Any]) -> bool:
    """Makes the caller's transaction the only one that fills words; False: another one does. It writes nothing: what
    pages keep until the database changes stays valid."""
    found = connection.execute("select pg_try_advisory_xact_lock(%b)", [_LOCK]).fetchone()
    return found is not None and found[0] is True


def wait_for_lock(connection: Connection[Any]) -> None:
    """Keeps others from filling words until the transaction ends. Waits for the one that does."""
    connection.execute("select pg_advisory_xact_lock(%b)", [_LOCK])


def walk_of(connection: Connection[Any]) -> Walk:
    """Returns how far the walk has come."""
    found = connection.execute("select walked_to, walk_began_at, walked_at from words_progress").fetchone()
    assert found is not None
    return Walk._make(found)


def write_searched(connection: Connection[Any]) -> None:
    """Notes that everything that had been committed when the caller's transaction began is known. Its statements must
    not see less: it is READ COMMITTED."""
    connection.execute("update words_progress set searched_until = now()")


def begin_walk(connection: Connection[Any]) -> None:
    """Notes that a walk begins."""
    connection.execute("update words_progress set walked_to = null, walk_began_at = now()")


def write_walked(connection: Connection[Any], to: UUID | None) -> None:
    """Notes that the conversations from `to` on were compared. None: all of them, so the walk is over."""
    if to is None:
        connection.execute(
            "update words_progress set walked_to = null, walked_at = walk_began_at, walk_began_at = null"
        )
    else:
        connection.execute("update words_progress set walked_to = %s", [to])


def freshness(connection: Connection[Any]) -> SearchFreshness:
    """Returns what a search knows of messages. Before a first walk ended, it is complete since where that is now."""
    found = connection.execute(_FRESHNESS).fetchone()
    assert found is not None
    return SearchFreshness._make(found)


_FRESHNESS: LiteralString = """
select searched_until, case when walked_at is null then coalesce(walked.opened_at, now()) end,
  coalesce(extract(epoch from now() - searched_until), 'infinity')::float8
from words_progress cross join lateral (
  select to_timestamp(('x' || left(replace(walked_to::text, '-', ''), 12))::bit(48)::bigint / 1000.0) as opened_at
) as walked
"""
"""The first 48 bits of a conversation's id are the milliseconds of its opening (`domain.ids`)."""
