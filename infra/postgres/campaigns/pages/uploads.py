"""Files with recipients while a browser sends them, and what became of them. A file arrives in chunks; it is read once
it is complete. Raises psycopg errors."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.campaigns.files.refusals import MAX_FILE_BYTES


class ArrivedFile(NamedTuple):
    """A file. `state`: `arriving`, `waiting` to be read, `read`, `refused` because of `problem`, or `imported`, its
    content deleted; `headings`: what was read of it; `rows`: below the headings."""

    id: UUID
    name: str
    size: int
    actor: str
    state: str
    problem: str | None
    detail: str | None
    headings: Mapping[str, Any] | None
    rows: int | None


def begin(connection: Connection[Any], file: UUID, name: str, actor: str) -> None:
    """Notes that a file is about to arrive; one that is there already stays."""
    connection.execute(
        "insert into campaign_files (id, name, size, sha256, actor, state) values (%b, %b, 0, '', %b, 'arriving') "
        "on conflict do nothing",
        [file, name, actor],
    )


def add_chunk(connection: Connection[Any], file: UUID, actor: str, number: int, content: bytes) -> bool:
    """Stores a chunk of a file that the person is sending; False: there is none, or it gets too large. One that is
    stored already is replaced."""
    added = connection.execute(
        "insert into campaign_file_chunks (file_id, number, content) "
        "select f.id, %(number)b, %(content)b from campaign_files f where f.id = %(file)b and f.actor = %(actor)b "
        "and f.state = 'arriving' and (select coalesce(sum(length(c.content)), 0) from campaign_file_chunks c "
        "where c.file_id = f.id and c.number <> %(number)b) + length(%(content)b) <= %(most)b "
        "on conflict (file_id, number) do update set content = excluded.content returning number",
        {"file": file, "actor": actor, "number": number, "content": content, "most": MAX_FILE_BYTES},
    ).fetchone()
    return added is not None


def complete(connection: Connection[Any], file: UUID, actor: str, size: int) -> bool:
    """Hands a file whose chunks are all there to who reads it; False: something of it is missing. May be repeated."""
    done = connection.execute(
        "update campaign_files f set state = 'waiting', size = %(size)b, at = clock_timestamp() "
        "where f.id = %(file)b and f.actor = %(actor)b and f.state = 'arriving' and %(size)b = (select "
        "sum(length(c.content)) from campaign_file_chunks c where c.file_id = f.id "
        "having max(c.number) + 1 = count(*)) "
        "returning id",
        {"file": file, "actor": actor, "size": size},
    ).fetchone()
    if done is not None:
        return True
    known = connection.execute(
        "select from campaign_files where id = %b and actor = %b and size = %b and state <> 'arriving'",
        [file, actor, size],
    ).fetchone()
    return known is not None


def arrived(connection: Connection[Any], file: UUID, actor: str, size: int) -> str | None:
    """Returns the name of a file whose chunks are all there, and which is not read as one with recipients: it is what a
    heading shows. None: something of it is missing."""
    row = connection.execute(
        "select f.name from campaign_files f where f.id = %(file)b and f.actor = %(actor)b and f.state = 'arriving' "
        "and %(size)b = (select sum(length(c.content)) from campaign_file_chunks c where c.file_id = f.id "
        "having max(c.number) + 1 = count(*))",
        {"file": file, "actor": actor, "size": size},
    ).fetchone()
    return row[0] if row is not None else None


def content(connection: Connection[Any], file: UUID) -> Iterator[bytes]:
    """Yields the chunks of a file, one at a time."""
    number = 0
    while (
        row := connection.execute(
            "select content from campaign_file_chunks where file_id = %b and number = %b", [file, number]
        ).fetchone()
    ) is not None:
        yield row[0]
        number += 1


def uploaded(connection: Connection[Any], file: UUID) -> ArrivedFile | None:
    """Returns a file; None: there is none, or not any more."""
    with connection.cursor(row_factory=class_row(ArrivedFile)) as cursor:
        return cursor.execute(
            "select id, name, size, actor, state, problem, detail, headings, rows from campaign_files where id = %b",
            [file],
        ).fetchone()
