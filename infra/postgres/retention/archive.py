"""The copy of a person's data: a ZIP file with one JSON document per table, and the files of their messages. It is made
while it is sent, in constant memory however much it is."""

import mimetypes
import zipfile
from collections.abc import Callable, Collection, Generator, Iterator
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from pydantic_core import to_json

from domain.times import rfc3339
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.snapshot import one_snapshot
from infra.postgres.retention.people import Subject, allow_long, direct_sends, exported, subject_of

StoreReader = Callable[[str], Iterator[bytes]]
"""Reads a file of the store by its hash, in parts. Raises OSError or the store's errors, which are subclasses of
`Exception`, if it cannot be read."""


class _Sink:
    """Takes what the archive writes until somebody fetches it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Nothing waits."""

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class _PersonFile(NamedTuple):
    """A file that a person sent or was sent."""

    name: str
    sha256: str


def person_archive(
    connection: Connection[Any], customers: Collection[UUID], phone: str | None, read: StoreReader | None
) -> Generator[bytes, None, None]:
    """Yields the parts of the ZIP file about these customers and this phone in digits, of one snapshot. `read`: None if
    this installation keeps no files; a file that cannot be read is named in `about.json`. `connection`: in autocommit
    mode. Raises psycopg errors."""
    sink = _Sink()
    with one_snapshot(connection):
        allow_long(connection)
        now = database_now(connection)
        subject = subject_of(connection, customers, phone, direct_sends(connection, customers, phone))
        counts: dict[str, int] = {}
        missing: list[str] = []
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
            for table, rows in exported(connection, subject, now):
                with archive.open(f"{table}.json", "w", force_zip64=True) as file:
                    counts[table] = 0
                    for row in rows:
                        file.write(f"{',' if counts[table] else '['}\n{row}".encode())
                        counts[table] += 1
                        yield sink.take()
                    file.write(b"\n]\n" if counts[table] else b"[]\n")
            for each in _files(connection, subject):
                if read is None:
                    missing.append(each.name)
                    continue
                with archive.open(f"files/{each.name}", "w", force_zip64=True) as file:
                    try:
                        for part in read(each.sha256):
                            file.write(part)
                            yield sink.take()
                    except Exception:  # whatever the store says: the rest of the copy is worth having
                        missing.append(each.name)
            about = {
                "made_at": rfc3339(now),
                "addresses": subject.values,
                "rows": {table: n for table, n in counts.items() if n},
                "files_not_available": missing,
            }
            archive.writestr("about.json", to_json(about, indent=2) + b"\n")
            yield sink.take()
        yield sink.take()


def _files(connection: Connection[Any], subject: Subject) -> list[_PersonFile]:
    rows = connection.execute(_FILES, [[*subject.messages], [*subject.uploads]]).fetchall()
    return [_PersonFile(f"{id_}{mimetypes.guess_extension(mime or '') or ''}", sha256) for id_, sha256, mime in rows]


_FILES: LiteralString = (
    "select message_id, sha256, coalesce(shown_type, mime_type) from media "
    "where message_id = any(%b::uuid[]) and sha256 is not null and state = 'stored' "
    "union all select id, sha256, mime_type from uploads where id = any(%b::uuid[]) order by 1"
)
