"""What became of a file with recipients that was uploaded. Raises psycopg errors."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row


class UploadedList(NamedTuple):
    """A file with recipients. `state`: waiting, read, refused or imported; `problem`, `detail`: why it was refused;
    `headings`: what was read of it (docs/design/campaigns.md, *Files*); `rows`: below the headings."""

    state: str
    problem: str | None
    detail: str | None
    headings: Mapping[str, Any] | None
    rows: int | None


def uploaded(connection: Connection[Any], file: UUID) -> UploadedList | None:
    """Returns a file; None: there is none."""
    with connection.cursor(row_factory=class_row(UploadedList)) as cursor:
        return cursor.execute(
            "select state, problem, detail, headings, rows from campaign_files where id = %b", [file]
        ).fetchone()
