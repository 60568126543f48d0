"""Files that people uploaded to be sent, and under which ids Meta has them. Raises psycopg errors."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.messages.files import LIMITS, transfer_seconds

ID_LIFE = timedelta(days=29)
"""How long an id of Meta's is used; Meta keeps the file for thirty days."""
_LEASE_SECONDS = transfer_seconds(max(LIMITS.values())) + 60.0


class UploadedFile(NamedTuple):
    """A file that a person uploaded. `sha256`: its key in the store; `actor`: who uploaded it."""

    id: UUID
    kind: str
    mime_type: str
    file_name: str
    size: int
    sha256: str
    actor: str


class DueUpload(NamedTuple):
    """A file that Meta needs before a send can be posted. `attempts`: with this one."""

    upload_id: UUID
    phone_number_id: str
    attempts: int
    mime_type: str
    file_name: str
    size: int
    sha256: str


def add(connection: Connection[Any], upload: UploadedFile) -> None:
    """Notes an uploaded file, whose bytes are in the store."""
    connection.execute(
        "insert into uploads (id, kind, mime_type, file_name, size, sha256, actor) values (%b, %b, %b, %b, %b, %b, %b)",
        list(upload),
    )


def find(connection: Connection[Any], upload_id: UUID) -> UploadedFile | None:
    """Returns an uploaded file."""
    return read(connection, [upload_id]).get(upload_id)


def read(connection: Connection[Any], upload_ids: Collection[UUID]) -> dict[UUID, UploadedFile]:
    """Returns uploaded files by their ids."""
    if not upload_ids:
        return {}
    with connection.cursor(row_factory=class_row(UploadedFile)) as cursor:
        found = cursor.execute(
            "select id, kind, mime_type, file_name, size, sha256, actor from uploads where id = any(%b)",
            [list(upload_ids)],
        ).fetchall()
    return {file.id: file for file in found}


def claim(connection: Connection[Any], most: int) -> list[DueUpload]:
    """Takes at most `most` files that waiting sends need and that Meta does not have from their number, or not for
    much longer. They are due again when their upload must have ended."""
    with connection.cursor(row_factory=class_row(DueUpload)) as cursor:
        return cursor.execute(
            "with wanted as (select distinct s.upload_id, s.phone_number_id from sends s "
            "left join meta_uploads m on m.upload_id = s.upload_id and m.phone_number_id = s.phone_number_id "
            "where s.state = 'queued' and s.upload_id is not null "
            "and (m.expires_at is null or m.expires_at <= clock_timestamp()) "
            "and coalesce(m.next_at, '-infinity') <= clock_timestamp() limit %b), "
            "claimed as (insert into meta_uploads as m (upload_id, phone_number_id, attempts, next_at) "
            "select upload_id, phone_number_id, 1, clock_timestamp() + make_interval(secs => %b) from wanted "
            "order by upload_id, phone_number_id on conflict (upload_id, phone_number_id) do update "
            "set attempts = m.attempts + 1, next_at = excluded.next_at, meta_id = null, expires_at = null "
            "where m.next_at <= clock_timestamp() returning m.upload_id, m.phone_number_id, m.attempts) "
            "select c.upload_id, c.phone_number_id, c.attempts, u.mime_type, u.file_name, u.size, u.sha256 "
            "from claimed c join uploads u on u.id = c.upload_id",
            [most, _LEASE_SECONDS],
        ).fetchall()


def keep_meta_id(connection: Connection[Any], upload: DueUpload, meta_id: str) -> None:
    """Notes under which id Meta has a file. The senders are told."""
    connection.execute(
        "update meta_uploads set meta_id = %b, expires_at = clock_timestamp() + %b, next_at = clock_timestamp(), "
        "attempts = 0, reason = null where upload_id = %b and phone_number_id = %b",
        [meta_id, ID_LIFE, upload.upload_id, upload.phone_number_id],
    )


def retry(connection: Connection[Any], upload: DueUpload, reason: str, wait: timedelta) -> None:
    """Notes why a file was not uploaded, and when it is tried again."""
    connection.execute(
        "update meta_uploads set reason = %b, next_at = clock_timestamp() + %b "
        "where upload_id = %b and phone_number_id = %b",
        [reason, wait, upload.upload_id, upload.phone_number_id],
    )


def forget(connection: Connection[Any], upload: DueUpload) -> list[UUID]:
    """Forgets the attempts to upload a file that Meta refused, so that a later send tries once more; returns the sends
    that wait for it."""
    connection.execute(
        "delete from meta_uploads where upload_id = %b and phone_number_id = %b",
        [upload.upload_id, upload.phone_number_id],
    )
    rows = connection.execute(
        "select id from sends where upload_id = %b and phone_number_id = %b and state = 'queued'",
        [upload.upload_id, upload.phone_number_id],
    ).fetchall()
    return [row[0] for row in rows]
