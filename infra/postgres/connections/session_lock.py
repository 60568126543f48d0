"""A lock that a process holds over several transactions, for work that takes longer than one should. It ends with the
connection, so with the process. Raises psycopg errors."""

from typing import Any
from uuid import UUID

from psycopg import Connection


def take(connection: Connection[Any], subject: UUID) -> bool:
    """Returns whether this session has the lock on a subject now; False: another one has it. A session that takes it
    twice has to release it twice."""
    row = connection.execute("select pg_try_advisory_lock(%b)", [_key(subject)]).fetchone()
    return row is not None and row[0] is True


def release(connection: Connection[Any], subject: UUID) -> None:
    """Releases the lock, if this session has it: after the connection broke, another one does not."""
    connection.execute("select pg_advisory_unlock(%b)", [_key(subject)])


def _key(subject: UUID) -> int:
    return int.from_bytes(subject.bytes[8:], signed=True)
