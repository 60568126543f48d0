"""Files of the store that no message needs any more. Raises psycopg errors."""

from collections.abc import Collection
from typing import Any

from psycopg import Connection


def note_unneeded(connection: Connection[Any], hashes: Collection[str]) -> None:
    """Notes files whose message was removed; whether others need them is looked up when they are deleted."""
    if hashes:
        connection.execute(
            "insert into unneeded_files (sha256) select distinct h from unnest(%b::text[]) as t (h) order by 1 "
            "on conflict do nothing",
            [[*hashes]],
        )


def is_any_unneeded(connection: Connection[Any]) -> bool:
    """Returns whether files are noted."""
    return connection.execute("select from unneeded_files limit 1").fetchone() is not None


def take_unneeded(connection: Connection[Any], most: int) -> list[str]:
    """Locks and returns noted files that nothing needs, the oldest first; those that something needs are not noted any
    more. Reads the tables of files once."""
    rows = connection.execute(
        "select sha256 from unneeded_files order by at, sha256 limit %b for update skip locked", [most]
    ).fetchall()
    noted = [row[0] for row in rows]
    if not noted:
        return []
    needed = {
        row[0]
        for row in connection.execute(
            "select sha256 from media where sha256 = any(%(noted)b::text[]) "
            "union select sha256 from uploads where sha256 = any(%(noted)b::text[])",
            {"noted": noted},
        ).fetchall()
    }
    if needed:
        forget_unneeded(connection, needed)
    return [each for each in noted if each not in needed]


def forget_unneeded(connection: Connection[Any], hashes: Collection[str]) -> None:
    """Notes that files were deleted from the store."""
    connection.execute("delete from unneeded_files where sha256 = any(%b::text[])", [[*hashes]])
