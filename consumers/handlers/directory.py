"""Commands that change the directory (docs/design/directory.md): they are carried out before the other commands of
their batch, which see the directory as it is then."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection

from consumers.changes.directory import DirectoryConflict, apply_directory
from consumers.handlers.command_records import CommandRecord
from domain.command_bodies.directory import ChangeDirectory
from domain.commands import CommandHead, Rejection
from domain.directory import Directory
from domain.directory_file.reader import InvalidDirectory, parse_directory
from domain.sending.acceptance import RefusedSend
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.postgres.directory import DirectoryCache, lock_exclusive
from infra.postgres.directory_versions import VersionOrigin, find_draft

_TYPE = ("ce_type", b"witiop.command.directory.v1")


def lock_directory(cache: DirectoryCache, connection: Connection[Any], records: Sequence[IncomingRecord]) -> Directory:
    """Locks the directory against changes; or for one, if a record says that it is a command to change it. A shared
    lock must not become an exclusive one: two batches would wait for each other."""
    if not any(_TYPE in record.raw_headers for record in records):
        return cache.lock_shared(connection)
    lock_exclusive(connection)
    return cache.read(connection)


def change_directory(
    connection: Connection[Any], topics: Topics, requests: Iterable[CommandRecord]
) -> dict[str, RefusedSend | None]:
    """Carries out the commands that change the directory, in their order. Returns by their ids why they are rejected,
    None: they are applied."""
    return {
        head.id: _change(connection, topics, head, body)
        for request in requests
        if (head := request.head) is not None and isinstance(body := request.body, ChangeDirectory)
    }


def _change(
    connection: Connection[Any], topics: Topics, head: CommandHead, body: ChangeDirectory
) -> RefusedSend | None:
    """All of a draft or nothing."""
    draft = find_draft(connection, body.draft_id)
    if draft is None:
        return RefusedSend(Rejection.MALFORMED, f"draft_id: there is no draft {body.draft_id}")
    try:
        wanted = parse_directory(draft.text)
    except InvalidDirectory as error:
        return RefusedSend(Rejection.MALFORMED, error.problems[0].message)
    origin = VersionOrigin(head.issuer, draft.note, draft.id)
    result = apply_directory(connection, wanted, topics, origin, draft.base)
    if isinstance(result, DirectoryConflict):
        return RefusedSend(Rejection.VERSION_CONFLICT, f"the directory's version is {result.version}")
    return None
