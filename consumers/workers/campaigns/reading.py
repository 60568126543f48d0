"""Reads files with recipients when they arrive: headings, first rows, and how many rows there are. A program with
little memory does it; a file that it cannot read is refused with the reason (docs/design/campaigns.md, *Files*)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import structlog
from psycopg import Connection

from domain.campaigns.files.refusals import MAX_FILE_BYTES, RefusedFile
from infra.postgres.campaign_files import files
from infra.postgres.campaign_files.files import WaitingFile
from infra.postgres.connections import session_lock
from infra.process.crash_points import crash_point
from infra.sheets.child import ChildFrame, FileReader

Transactions = Callable[[], AbstractContextManager[Connection[Any]]]
"""Opens a transaction, each time on the same connection."""

log = structlog.get_logger("campaigns")


def read_file(transaction: Transactions, file: WaitingFile) -> None:
    """Reads a waiting file, unless another process does. Raises ReaderKilled, psycopg errors."""
    with transaction() as connection:
        if not session_lock.take(connection, file.id):
            return
        is_waiting = files.is_waiting(connection, file.id)
    try:
        if is_waiting:
            _read(transaction, file)
    finally:
        with transaction() as connection:
            session_lock.release(connection, file.id)


def refuse(transaction: Transactions, file: UUID, refused: RefusedFile) -> None:
    """Refuses a waiting file."""
    with transaction() as connection:
        files.refuse(connection, file, refused.problem, refused.detail)
    log.warning("campaigns.file_refused", file_id=str(file), problem=refused.problem, detail=refused.detail)


def file_content(transaction: Transactions, file: UUID) -> Iterator[bytes]:
    """Yields a file's chunks, one at a time."""
    with transaction() as connection:
        yield from files.content(connection, file)


def _read(transaction: Transactions, file: WaitingFile) -> None:
    try:
        found = _described(transaction, file)
    except RefusedFile as refused:
        refuse(transaction, file.id, refused)
        return
    with transaction() as connection:
        files.keep_read(connection, file.id, found.head["headings"], found.head["rows"])
        crash_point("campaigns.before-file-commit")
    log.info("campaigns.file_read", file_id=str(file.id), rows=found.head["rows"])


def _described(transaction: Transactions, file: WaitingFile) -> ChildFrame:
    if file.size > MAX_FILE_BYTES:
        raise RefusedFile("too_large", str(file.size))
    with FileReader(file.size, file_content(transaction, file.id)) as reader:
        (found,) = reader.frames()
    return found
