"""Texts that agents insert with a slash: their own, those of their skillsets, and everybody's. Functions raise psycopg
errors."""

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

QuickScope = Literal["user", "skillset", "all"]


class QuickReply(NamedTuple):
    """`owner`: the user or the skillset whose text it is; empty: everybody's. `shortcut`: without the slash."""

    id: UUID
    scope: QuickScope
    owner: str
    shortcut: str
    text: str


def quick_replies(conn: Connection[Any], person: str, skillsets: Collection[str]) -> Sequence[QuickReply]:
    """Returns what a person can insert, by shortcut; their own first."""
    cursor = conn.cursor(row_factory=class_row(QuickReply))
    return cursor.execute(
        "select id, scope, owner, shortcut, text from quick_replies where scope = 'all' "
        "or (scope = 'user' and owner = %s) or (scope = 'skillset' and owner = any(%s)) "
        "order by shortcut, array_position(array['user', 'skillset', 'all'], scope), owner",
        (person, list(skillsets)),
    ).fetchall()


def store_quick_reply(conn: Connection[Any], reply: QuickReply) -> None:
    """Stores a text; one with the same owner and shortcut is replaced."""
    conn.execute(
        "insert into quick_replies (id, scope, owner, shortcut, text) values (%s, %s, %s, %s, %s) "
        "on conflict (scope, owner, shortcut) do update set text = excluded.text",
        reply,
    )


def delete_quick_reply(conn: Connection[Any], id_: UUID, person: str, *, everybodys: bool) -> None:
    """Deletes a text of the person; with `everybodys`, also one of a skillset or of everybody."""
    conn.execute(
        "delete from quick_replies where id = %s and ((scope = 'user' and owner = %s) or (%s and scope <> 'user'))",
        (id_, person, everybodys),
    )
