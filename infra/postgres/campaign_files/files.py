"""Files with recipients: uploaded in chunks, read by the `campaigns` process, deleted when they are not needed any
more. Raises psycopg errors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from domain.campaigns.files.refusals import CampaignFileProblem

CHUNK_BYTES = 1024 * 1024


def add(
    connection: Connection[Any], file: UUID, name: str, size: int, sha256: str, actor: str, chunks: Iterable[bytes]
) -> None:
    """Stores a file in one transaction; one that is stored already stays."""
    with connection.transaction():
        created = connection.execute(
            "insert into campaign_files (id, name, size, sha256, actor, state) values (%b, %b, %b, %b, %b, 'waiting') "
            "on conflict do nothing returning id",
            [file, name, size, sha256, actor],
        ).fetchone()
        if created is None:
            return
        for number, chunk in enumerate(chunks):
            connection.execute(
                "insert into campaign_file_chunks (file_id, number, content) values (%b, %b, %b)",
                [file, number, chunk],
            )


def content(connection: Connection[Any], file: UUID) -> Iterator[bytes]:
    """Yields a file's chunks, one at a time."""
    number = 0
    while row := connection.execute(
        "select content from campaign_file_chunks where file_id = %b and number = %b", [file, number]
    ).fetchone():
        yield bytes(row[0])
        number += 1


class WaitingFile(NamedTuple):
    """A file that is to be read."""

    id: UUID
    size: int


class StoredHeadings(NamedTuple):
    """What was read of a file. `headings`: docs/design/campaigns.md, *Files*; `rows`: below the headings."""

    size: int
    headings: Mapping[str, Any]
    rows: int


def is_read(connection: Connection[Any], file: UUID) -> bool:
    """Returns whether a file is there and could be read. It is not deleted before this transaction ends."""
    query = "select from campaign_files where id = %b and state in ('read', 'imported') for share"
    return connection.execute(query, [file]).fetchone() is not None


def waiting(connection: Connection[Any], most: int = 10) -> list[WaitingFile]:
    """Returns files that are to be read, the oldest first."""
    with connection.cursor(row_factory=class_row(WaitingFile)) as cursor:
        return cursor.execute(
            "select id, size from campaign_files where state = 'waiting' order by at, id limit %b", [most]
        ).fetchall()


def is_waiting(connection: Connection[Any], file: UUID) -> bool:
    """Returns whether a file is still to be read."""
    query = "select from campaign_files where id = %b and state = 'waiting'"
    return connection.execute(query, [file]).fetchone() is not None


def keep_read(connection: Connection[Any], file: UUID, headings: Mapping[str, Any], rows: int) -> None:
    """Stores what was read of a file."""
    connection.execute(
        "update campaign_files set state = 'read', headings = %b, rows = %b where id = %b and state = 'waiting'",
        [Jsonb(dict(headings)), rows, file],
    )


def refuse(connection: Connection[Any], file: UUID, problem: CampaignFileProblem, detail: str | None) -> None:
    """Notes why a file cannot be read, and deletes its content."""
    connection.execute(
        "update campaign_files set state = 'refused', problem = %b, detail = %b where id = %b and state = 'waiting'",
        [problem, detail, file],
    )
    _delete_content(connection, [file])


def headings_of(connection: Connection[Any], file: UUID) -> StoredHeadings | None:
    """Returns what was read of a file, also after it was deleted; None: there is nothing."""
    with connection.cursor(row_factory=class_row(StoredHeadings)) as cursor:
        return cursor.execute(
            "select size, headings, rows from campaign_files where id = %b and headings is not null", [file]
        ).fetchone()


def columns_of(connection: Connection[Any], file: UUID) -> int:
    """Returns how many columns a file has that was read."""
    query = "select jsonb_array_length(headings -> 'columns') from campaign_files where id = %b"
    row = connection.execute(query, [file]).fetchone()
    return row[0] or 0 if row is not None else 0


def note_imported(connection: Connection[Any], file: UUID) -> None:
    """Notes that a campaign has the rows of a file. For a day after its upload another one can be created from it, e.g.
    with another mapping."""
    connection.execute("update campaign_files set state = 'imported' where id = %b and state = 'read'", [file])


def delete_unused(connection: Connection[Any], most: int = 100) -> int:
    """Deletes files a day after their upload, unless a campaign is still to import them; returns how many. Of a file
    that was imported the headings stay, for the workbook of problems, and nothing of its rows. A campaign that is
    created meanwhile waits for this transaction, and is then rejected."""
    locked = connection.execute(
        "select id from campaign_files where state <> 'deleted' and at < clock_timestamp() - interval '1 day' "
        "order by at, id limit %b for update skip locked",
        [most],
    ).fetchall()
    if not locked:
        return 0
    # statements of their own: they see the campaigns that were created while they locked the files
    old = [row[0] for row in locked]
    emptied = connection.execute(
        "update campaign_files f set state = 'deleted', headings = headings - 'first' "
        f"where id = any(%b::uuid[]) and state = 'imported' and not {_NEEDED} returning id",
        [old],
    ).fetchall()
    gone = connection.execute(
        "delete from campaign_files f where id = any(%b::uuid[]) "
        f"and state in ('arriving', 'waiting', 'read', 'refused') and not {_NEEDED} returning id",
        [old],
    ).fetchall()
    deleted = [row[0] for row in (*emptied, *gone)]
    _delete_content(connection, deleted)
    return len(deleted)


def business_phone(connection: Connection[Any], phone_number_id: str) -> str:
    """Returns the phone of a business number as Meta writes it; empty: not known."""
    query = "select display from graph_numbers where phone_number_id = %b"
    row = connection.execute(query, [phone_number_id]).fetchone()
    return row[0] or "" if row is not None else ""


def _delete_content(connection: Connection[Any], files: Sequence[UUID]) -> None:
    connection.execute("delete from campaign_file_chunks where file_id = any(%b::uuid[])", [[*files]])


_NEEDED: LiteralString = (
    "exists (select from campaigns k where k.state = 'importing' and k.source #>> '{file,file_id}' = f.id::text)"
)
"""Whether a campaign is still to import the rows of a file `f`. O(campaigns that are not over)."""
