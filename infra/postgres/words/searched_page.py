"""A page of what a search of the list finds, the newest first, for the command line. Raises psycopg errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from infra.postgres.lists import console
from infra.postgres.lists.cursor import Cursor
from infra.postgres.lists.unmanaged import ListedConversation, UnmanagedFilter, UnmanagedPage
from infra.postgres.words.matching import with_found_messages
from infra.postgres.words.progress import SearchFreshness, freshness


@dataclass(frozen=True, slots=True)
class SearchedPage:
    """A page of a search. `rows`: those of `page`, each with the message that was found; `is_cut`: there may be more
    matches than were found."""

    page: UnmanagedPage
    rows: Sequence[ListedConversation]
    freshness: SearchFreshness
    is_cut: bool

    @property
    def is_complete(self) -> bool:
        """Whether nothing that matches is missing."""
        return self.freshness.is_complete and not self.is_cut


def searched_page(conn: Connection[Any], which: UnmanagedFilter, rows: int, after: Cursor | None) -> SearchedPage:
    """Returns a page of the conversations that have the filter's words, and how many there are, up to
    `console.MANY_FOUND` + 1. `conn` as for `console.page`."""
    found = console.page(conn, which, rows, after=console.PageCursor(0, after) if after else None)
    counts = {"active": 0, "closed": 0, "dismissed": 0, **console.found_counts(conn, which, found)}
    shown = with_found_messages(conn, found.rows, which.words)
    following = found.after.cursor if found.after else None
    return SearchedPage(UnmanagedPage(shown, following, counts), shown, freshness(conn), found.cut)
