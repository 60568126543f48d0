"""What agents choose from on their page: quick replies, reasons of a pause, and outcomes. Functions raise psycopg
errors."""

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, scalar_row

QuickScope = Literal["user", "skillset", "number", "all"]


class QuickReply(NamedTuple):
    """A text that a slash inserts. `owner`: the user, the skillset or the phone number id for which it is; empty:
    everybody's. `shortcut`: without the slash."""

    id: UUID
    scope: QuickScope
    owner: str
    shortcut: str
    text: str


class Outcome(NamedTuple):
    """An outcome of a conversation. `skillset`: whose members may choose it; empty: everybody."""

    skillset: str
    outcome: str


def quick_replies_for(
    conn: Connection[Any], person: str, skillsets: Collection[str], phone_number_id: str
) -> Sequence[QuickReply]:
    """Returns what a person can insert in a conversation of this number, by shortcut. Of several with the same shortcut
    only the nearest: their own, else of a skillset, else of the number."""
    cursor = conn.cursor(row_factory=class_row(QuickReply))
    return cursor.execute(
        "select distinct on (shortcut) id, scope, owner, shortcut, text from quick_replies where scope = 'all' "
        "or (scope = 'user' and owner = %s) or (scope = 'skillset' and owner = any(%s)) "
        "or (scope = 'number' and owner = %s) "
        "order by shortcut, array_position(array['user', 'skillset', 'number', 'all'], scope), owner",
        (person, list(skillsets), phone_number_id),
    ).fetchall()


def kept_quick_replies(conn: Connection[Any], person: str) -> Sequence[QuickReply]:
    """Returns a person's own quick replies and those of skillsets, numbers and everybody, by shortcut."""
    cursor = conn.cursor(row_factory=class_row(QuickReply))
    return cursor.execute(
        "select id, scope, owner, shortcut, text from quick_replies where scope <> 'user' or owner = %s "
        "order by shortcut, scope, owner",
        (person,),
    ).fetchall()


def keep_quick_reply(conn: Connection[Any], reply: QuickReply) -> None:
    """Stores a quick reply; one for the same people with the same shortcut is replaced."""
    conn.execute(
        "insert into quick_replies (id, scope, owner, shortcut, text) values (%s, %s, %s, %s, %s) "
        "on conflict (scope, owner, shortcut) do update set text = excluded.text",
        reply,
    )


def delete_quick_reply(conn: Connection[Any], id_: UUID, person: str, *, shared: bool) -> None:
    """Deletes a quick reply of the person; with `shared`, also one that is not somebody else's own."""
    conn.execute(
        "delete from quick_replies where id = %s and ((scope = 'user' and owner = %s) or (%s and scope <> 'user'))",
        (id_, person, shared),
    )


def pause_reasons(conn: Connection[Any]) -> list[str]:
    """Returns why agents may pause, in the order in which they are offered."""
    cursor = conn.cursor(row_factory=scalar_row)
    return cursor.execute("select reason from pause_reasons order by position").fetchall()


def add_pause_reason(conn: Connection[Any], reason: str) -> None:
    """Adds a reason; one that exists stays where it is."""
    conn.execute("insert into pause_reasons (reason) values (%s) on conflict do nothing", (reason,))


def delete_pause_reason(conn: Connection[Any], reason: str) -> None:
    """Deletes a reason; facts that name it stay."""
    conn.execute("delete from pause_reasons where reason = %s", (reason,))


def outcomes(conn: Connection[Any]) -> Sequence[Outcome]:
    """Returns all outcomes in the order in which they are offered: everybody's first."""
    cursor = conn.cursor(row_factory=class_row(Outcome))
    return cursor.execute("select skillset, outcome from outcomes order by skillset, position").fetchall()


def add_outcome(conn: Connection[Any], outcome: Outcome) -> None:
    """Adds an outcome; one that exists stays where it is."""
    conn.execute("insert into outcomes (skillset, outcome) values (%s, %s) on conflict do nothing", outcome)


def delete_outcome(conn: Connection[Any], outcome: Outcome) -> None:
    """Deletes an outcome; facts that name it stay."""
    conn.execute("delete from outcomes where skillset = %s and outcome = %s", outcome)
