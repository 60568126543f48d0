"""Files with recipients: uploaded in chunks, read by the `campaigns` process, deleted when they are not needed any
more. Raises psycopg errors."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from psycopg import Connection

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


def is_read(connection: Connection[Any], file: UUID) -> bool:
    """Returns whether a file is there and could be read."""
    query = "select from campaign_files where id = %b and state = 'read'"
    return connection.execute(query, [file]).fetchone() is not None
