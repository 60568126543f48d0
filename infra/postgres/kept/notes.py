"""Notes about conversations, and whom they mention. No customer ever sees one. Functions raise psycopg errors."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.mail_body.entries import MailNote

MAX_MENTIONS = 200
"""More mentions than this are not listed."""
MAX_MAILED = 100
"""A mail has at most so many notes."""


class KeptNote(NamedTuple):
    """A note. `author`: name of a sign-in, `author_name`: as people know them; `mentioned`: the names of the people
    whom it mentions."""

    id: UUID
    at: datetime
    author: str
    author_name: str
    text: str
    mentioned: Sequence[str]


class Mention(NamedTuple):
    """A note that mentions a person. `customer`: of the conversation, by name or phone; `seen`: the person has opened
    the conversation since."""

    conversation_id: UUID
    at: datetime
    author_name: str
    text: str
    customer: str | None
    seen: bool


class Colleague(NamedTuple):
    """Somebody who has a sign-in, and whom a note may mention."""

    name: str
    shown_name: str


_NAMED: LiteralString = "coalesce(u.name, i.shown_name, n.author)"


def colleagues(conn: Connection[Any]) -> list[Colleague]:
    """Returns everybody who has a sign-in, by name."""
    found = conn.execute(
        "select i.name, coalesce(u.name, i.shown_name, i.name) from sign_ins i left join users u on u.id = i.name "
        "order by 1"
    )
    return [Colleague(*row) for row in found]


def notes_of(conn: Connection[Any], conversation: UUID) -> list[KeptNote]:
    """Returns the notes about a conversation, the earliest first."""
    cursor = conn.cursor(row_factory=class_row(KeptNote))
    return cursor.execute(
        f"select n.id, n.at, n.author, {_NAMED} as author_name, n.text, "
        "coalesce((select array_agg(coalesce(mu.name, mi.shown_name, m.person) order by 1) from mentions m "
        "left join sign_ins mi on mi.name = m.person left join users mu on mu.id = m.person where m.note_id = n.id), "
        "'{}') as mentioned "
        "from notes n left join sign_ins i on i.name = n.author left join users u on u.id = n.author "
        "where n.conversation_id = %s order by n.at, n.id",
        (conversation,),
    ).fetchall()


def note_texts(conn: Connection[Any], conversations: Collection[UUID]) -> dict[UUID, list[str]]:
    """Returns conversation -> its notes, each with its author, the earliest first."""
    found: dict[UUID, list[str]] = {}
    for id_, author, text in conn.execute(
        f"select n.conversation_id, {_NAMED}, n.text from notes n left join sign_ins i on i.name = n.author "
        "left join users u on u.id = n.author where n.conversation_id = any(%b::uuid[]) order by n.at, n.id",
        [list(conversations)],
    ):
        found.setdefault(id_, []).append(f"{author}: {text}")
    return found


def mail_notes(conn: Connection[Any], conversation: UUID) -> list[MailNote]:
    """Returns the latest `MAX_MAILED` notes about a conversation, the earliest first."""
    found = conn.execute(
        "select at, author, text from notes where conversation_id = %s order by at desc, id desc limit %s",
        (conversation, MAX_MAILED),
    ).fetchall()
    return [MailNote(*row) for row in reversed(found)]


def add_note(
    conn: Connection[Any], id_: UUID, conversation: UUID, author: str, text: str, mentioned: Collection[str]
) -> bool:
    """Adds a note and its mentions; False: a note with this id was added before, or there is no such conversation."""
    with conn.transaction():
        added = conn.execute(
            "insert into notes (id, conversation_id, author, text) select %s, c.id, %s, %s from conversations c "
            "where c.id = %s on conflict do nothing",
            (id_, author, text, conversation),
        ).rowcount
        if added:
            conn.execute(
                "insert into mentions (note_id, person, conversation_id, at) "
                "select n.id, person, n.conversation_id, n.at from notes n, unnest(%b::text[]) as person "
                "where n.id = %b order by person",
                (sorted(mentioned), id_),
            )
            conn.execute("notify witiop_changed")
    return bool(added)


def delete_note(conn: Connection[Any], id_: UUID, conversation: UUID, person: str, *, others: bool) -> str | None:
    """Deletes a note of a person, and with `others` also one of somebody else. Returns its author; None: there is no
    such note, or it is not theirs."""
    with conn.transaction():
        found = conn.execute(
            "delete from notes where id = %s and conversation_id = %s and (author = %s or %s) returning author",
            (id_, conversation, person, others),
        ).fetchone()
        if found is None:
            return None
        conn.execute("delete from mentions where note_id = %s", (id_,))
        conn.execute("notify witiop_changed")
    return str(found[0])


def mentions_of(conn: Connection[Any], person: str) -> list[Mention]:
    """Returns the notes that mention a person, the latest first, `MAX_MENTIONS` at most."""
    found = conn.execute(
        f"select m.conversation_id, m.at, {_NAMED}, n.text, coalesce(c.customer_name, c.wa_id, c.group_id), "
        "m.seen_at is not null from mentions m join notes n on n.id = m.note_id "
        "left join conversations c on c.id = m.conversation_id "
        "left join sign_ins i on i.name = n.author left join users u on u.id = n.author "
        "where m.person = %s order by m.at desc, m.note_id desc limit %s",
        (person, MAX_MENTIONS),
    )
    return [Mention(*row) for row in found]


def unseen_mentions(conn: Connection[Any], person: str) -> int:
    """Returns in how many conversations a note mentions the person that they have not opened since."""
    found = conn.execute(
        "select count(distinct conversation_id) from mentions where person = %s and seen_at is null", (person,)
    ).fetchone()
    assert found is not None
    return int(found[0])


def mark_seen(conn: Connection[Any], conversation: UUID, person: str) -> None:
    """Notes that a person has opened a conversation in which they are mentioned."""
    conn.execute(
        "update mentions set seen_at = now() where person = %s and conversation_id = %s and seen_at is null",
        (person, conversation),
    )
