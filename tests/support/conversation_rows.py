"""Rows of the table of conversations, for tests of lists that need no consumer."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from domain.conversations.reasons import Reason
from domain.search import searched

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def conversation_row(id_: int, **values: object) -> dict[str, object]:
    """Returns column -> value of an active, unmanaged conversation without a choice; `values` replace these."""
    at = values.get("last_at", NOON)
    assert isinstance(at, datetime)
    searched_by = [values.get("customer_name"), values.get("last_text")]
    return {
        "id": UUID(int=id_),
        "search": searched(map(_text, searched_by), [_text(values.get("wa_id"))], [_text(values.get("user_id"))])
        or None,
        "customer_id": UUID(int=id_),
        "phone_number_id": "2",
        "status": "a",
        "unmanaged": True,
        "reason": Reason.NO_CHOICE.code,
        "managed": False,
        "opened_at": at,
        "last_at": at,
        "window_ends_at": at + timedelta(days=1),
        "entries": 1,
        "version": 1,
        "sequence": 2,
        "because": [],
        "memory": "{}",
        **values,
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def insert_conversations(conn: Connection[Any], *conversations: dict[str, object]) -> None:
    """Inserts rows that have the same columns."""
    names = list(conversations[0])
    statement = SQL("insert into conversations ({}) values ({})").format(
        SQL(", ").join(map(Identifier, names)), SQL(", ").join([SQL("%s")] * len(names))
    )
    with conn.cursor() as cursor:
        cursor.executemany(statement, [[each[name] for name in names] for each in conversations])


def end_window(connection: Connection[Any], conversation: UUID, after: timedelta = timedelta(0)) -> None:
    """Moves the only message of a conversation back, so that its window ends `after` that time."""
    connection.execute(
        """
        with moved as (select clock_timestamp() + %(after)s as ends)
        update conversations set last_at = ends - interval '1 day', window_ends_at = ends,
          memory = replace(memory::text, memory #>> '{0,0,0}',
            to_char((ends - interval '1 day') at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::json
        from moved where id = %(id)s
        """,
        {"after": after, "id": conversation},
    )
