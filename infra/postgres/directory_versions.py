"""Versions of the directory, and drafts of the next one. Functions raise psycopg errors."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Json

KEPT_CHANGES = 20
"""Changes that are kept beside a version, for a list of versions."""
DRAFTS_SPAN = timedelta(days=30)
"""Drafts are forgotten after this time."""


class DirectoryChange(NamedTuple):
    """A table of the directory that was added, changed or removed. `reordered`: the tables of a kind have another
    order; `id` is empty."""

    action: Literal["added", "changed", "removed", "reordered"]
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class VersionOrigin:
    """Who made a version, why, and from which draft."""

    author: str
    note: str = ""
    draft: UUID | None = None


@dataclass(frozen=True, slots=True)
class DirectoryVersion:
    """A version without its text. `at`, `author` None: it is from before versions were kept. `changes`: the first of
    the changes that made it; `changed`: how many there were."""

    version: int
    at: datetime | None
    author: str | None
    note: str
    changes: Sequence[Sequence[str]]
    changed: int


@dataclass(frozen=True, slots=True)
class DirectoryDraft:
    """A change that somebody prepared. `base`: the version that it began with; `text`: the whole directory as it is to
    be; `applied`: the version that it became."""

    id: UUID
    author: str
    at: datetime
    base: int
    note: str
    text: str
    applied: int | None


def keep(
    conn: Connection[Any], version: int, text: str, origin: VersionOrigin | None, made: Sequence[DirectoryChange] = ()
) -> None:
    """Stores a version. `origin` None: it is from before versions were kept."""
    conn.execute(
        "insert into directory_versions (version, at, author, note, changes, changed, text, draft_id) "
        "values (%s, case when %s then now() end, %s, %s, %s, %s, %s, %s)",
        (
            version,
            origin is not None,
            origin and origin.author,
            origin.note if origin else "",
            Json([list(each) for each in made[:KEPT_CHANGES]]),
            len(made),
            text,
            origin and origin.draft,
        ),
    )


def is_kept(conn: Connection[Any], version: int) -> bool:
    """Whether a version is stored."""
    return conn.execute("select from directory_versions where version = %s", (version,)).fetchone() is not None


def listed(conn: Connection[Any], before: int | None, limit: int) -> list[DirectoryVersion]:
    """The versions before this one, the latest first."""
    cursor = conn.cursor(row_factory=class_row(DirectoryVersion))
    return cursor.execute(
        "select version, at, author, note, changes, changed from directory_versions "
        "where %(before)s::bigint is null or version < %(before)s order by version desc limit %(limit)s",
        {"before": before, "limit": limit},
    ).fetchall()


def find(conn: Connection[Any], version: int) -> DirectoryVersion | None:
    """A version; None: it was not kept."""
    cursor = conn.cursor(row_factory=class_row(DirectoryVersion))
    return cursor.execute(
        "select version, at, author, note, changes, changed from directory_versions where version = %s", (version,)
    ).fetchone()


def texts(conn: Connection[Any], versions: Collection[int]) -> dict[int, str]:
    """The texts of those of the versions that were kept."""
    return dict(
        conn.execute(
            "select version, text from directory_versions where version = any(%b::bigint[])", [list(versions)]
        ).fetchall()
    )


def store_draft(conn: Connection[Any], draft: UUID, author: str, base: int, note: str, text: str) -> None:
    """Stores a draft, and forgets old ones. A draft that is there already stays as it is."""
    conn.execute("delete from directory_drafts where at < now() - %s", (DRAFTS_SPAN,))
    conn.execute(
        "insert into directory_drafts (id, author, base, note, text) values (%s, %s, %s, %s, %s) "
        "on conflict do nothing",
        (draft, author, base, note, text),
    )


def find_draft(conn: Connection[Any], draft: UUID) -> DirectoryDraft | None:
    """A draft; None: there is none, or it is forgotten."""
    cursor = conn.cursor(row_factory=class_row(DirectoryDraft))
    return cursor.execute(
        "select d.id, d.author, d.at, d.base, d.note, d.text, v.version as applied "
        "from directory_drafts d left join directory_versions v on v.draft_id = d.id where d.id = %s",
        (draft,),
    ).fetchone()
