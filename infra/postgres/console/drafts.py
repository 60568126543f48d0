"""Texts that people are writing to customers. Nothing that was typed is lost: a text that was sent is a draft again if
its command is rejected or recalled. Functions raise psycopg errors."""

from collections.abc import Collection
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

_KEPT: LiteralString = """
  (d.sent_by is null
    or exists (select from command_audit a where a.command_id = d.sent_by and a.outcome = 'rejected')
    or exists (select from sends s where s.command_id = d.sent_by and s.state = 'recalled'))
"""


_SAME_CUSTOMER: LiteralString = """
  (select c.id from conversations c, conversations this where this.id = %(conversation)s
    and c.customer_id = this.customer_id and c.phone_number_id = this.phone_number_id and c.opened_at <= this.opened_at)
"""
"""A conversation and those that its customer had with the number before."""


def keep(conn: Connection[Any], conversation: UUID, person: str, text: str) -> bool:
    """Keeps what a person has typed so far; an empty text is no draft, and neither is one that was just sent: a page
    may tell of it late. Returns whether there is a draft now; in a conversation that does not exist there is none."""
    if not text.strip():
        conn.execute(
            f"delete from drafts where person = %(person)s and conversation_id in {_SAME_CUSTOMER}",
            {"conversation": conversation, "person": person},
        )
        return False
    written = conn.execute(
        "insert into drafts (conversation_id, person, text) select c.id, %s, %s from conversations c where c.id = %s "
        "on conflict (conversation_id, person) "
        "do update set text = excluded.text, sent_by = null, changed_at = now() "
        "where drafts.sent_by is null or drafts.text <> excluded.text",
        (person, text, conversation),
    )
    return written.rowcount > 0


def mark_sent(conn: Connection[Any], conversation: UUID, person: str, text: str, command: str) -> None:
    """Notes that a command asks to send the text."""
    conn.execute(
        "insert into drafts (conversation_id, person, text, sent_by) select c.id, %s, %s, %s from conversations c "
        "where c.id = %s on conflict (conversation_id, person) "
        "do update set text = excluded.text, sent_by = excluded.sent_by, changed_at = now()",
        (person, text, command, conversation),
    )


def draft(conn: Connection[Any], conversation: UUID, person: str) -> str:
    """Returns the draft of a person; empty: there is none. As long as they have written nothing in a conversation, that
    is what they were writing to the same customer before: the window ended meanwhile."""
    found = conn.execute(
        f"select d.text from drafts d join conversations o on o.id = d.conversation_id where d.person = %(person)s "
        f"and o.id in {_SAME_CUSTOMER} and {_KEPT} and (o.id = %(conversation)s or not exists (select from drafts own "
        "where own.conversation_id = %(conversation)s and own.person = %(person)s)) order by o.opened_at desc limit 1",
        {"conversation": conversation, "person": person},
    ).fetchone()
    return found[0] if found else ""


def of_others(conn: Connection[Any], conversation: UUID, person: str) -> list[tuple[str, str]]:
    """Returns the drafts of everybody else in a conversation, each with the person's name, the latest first."""
    return conn.execute(
        f"select d.person, d.text from drafts d where d.conversation_id = %s and d.person <> %s and {_KEPT} "
        "order by d.changed_at desc limit 3",
        (conversation, person),
    ).fetchall()


def with_drafts(conn: Connection[Any], conversations: Collection[UUID], person: str) -> set[UUID]:
    """Returns those of the conversations in which a person has a draft."""
    found = conn.execute(
        f"select d.conversation_id from drafts d where d.conversation_id = any(%s) and d.person = %s and {_KEPT}",
        (list(conversations), person),
    )
    return {id_ for (id_,) in found}
