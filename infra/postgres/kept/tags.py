"""Tags: the words under which people file conversations. Functions raise psycopg errors."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from infra.postgres.kept.notes import note_texts
from infra.postgres.lists.unmanaged import ListedConversation

MAX_TAG = 40
"""Maximum length of a tag, in characters."""
MAX_TAGS = 20
"""The most tags of one conversation."""
MOST_SUGGESTED = 200


class KeptTag(NamedTuple):
    """A tag of a conversation. `author`: who added it."""

    tag: str
    at: datetime
    author: str


def tags_of(conn: Connection[Any], conversation: UUID) -> list[KeptTag]:
    """Returns the tags of a conversation, in the order of their letters."""
    found = conn.execute(
        "select t.tag, t.at, coalesce(u.name, i.shown_name, t.author) from conversation_tags t "
        "left join sign_ins i on i.name = t.author left join users u on u.id = t.author "
        "where t.conversation_id = %s order by t.tag",
        (conversation,),
    )
    return [KeptTag(*row) for row in found]


def used_tags(conn: Connection[Any]) -> list[str]:
    """Returns the tags that are in use, in the order of their letters, `MOST_SUGGESTED` at most. Each is one step in
    the index, however many conversations it has."""
    found = conn.execute(
        "with recursive used (tag) as ((select tag from conversation_tags order by tag limit 1) union all "
        "select (select t.tag from conversation_tags t where t.tag > used.tag order by t.tag limit 1) "
        "from used where used.tag is not null) select tag from used where tag is not null limit %s",
        (MOST_SUGGESTED,),
    )
    return [tag for (tag,) in found]


def add_tag(conn: Connection[Any], conversation: UUID, tag: str, author: str) -> bool:
    """Adds a tag; False: the conversation has it, has `MAX_TAGS`, or does not exist."""
    with conn.transaction():
        added = conn.execute(
            "insert into conversation_tags (conversation_id, tag, author) select c.id, %(tag)s, %(author)s "
            "from conversations c where c.id = %(id)s "
            "and (select count(*) from conversation_tags where conversation_id = %(id)s) < %(most)s "
            "on conflict do nothing",
            {"id": conversation, "tag": tag, "author": author, "most": MAX_TAGS},
        ).rowcount
        if added:
            conn.execute("notify witiop_changed")
    return bool(added)


def remove_tag(conn: Connection[Any], conversation: UUID, tag: str) -> bool:
    """Removes a tag; False: the conversation does not have it."""
    with conn.transaction():
        removed = conn.execute(
            "delete from conversation_tags where conversation_id = %s and tag = %s", (conversation, tag)
        ).rowcount
        if removed:
            conn.execute("notify witiop_changed")
    return bool(removed)


def with_tags(conn: Connection[Any], rows: Sequence[ListedConversation]) -> list[ListedConversation]:
    """The rows, each with its tags and the number of its notes. One statement, which reads each row from indexes."""
    if not rows:
        return []
    found = {row[0]: (tuple(row[1]), row[2]) for row in conn.execute(_KEPT, [[row.id for row in rows]], prepare=True)}
    kept = ((row, *found.get(row.id, ((), 0))) for row in rows)
    return [row if (row.tags, row.notes) == (tags, n) else replace(row, tags=tags, notes=n) for row, tags, n in kept]


def with_notes(conn: Connection[Any], rows: Sequence[ListedConversation]) -> list[ListedConversation]:
    """The rows, each with its tags and the texts of its notes, one a line."""
    tagged = with_tags(conn, rows)
    texts = note_texts(conn, [row.id for row in tagged if row.notes])
    return [replace(row, note_texts="\n".join(texts[row.id])) if row.id in texts else row for row in tagged]


_KEPT = (
    "select t.id, coalesce((select array_agg(k.tag order by k.tag) from conversation_tags k "
    "where k.conversation_id = t.id), '{}'), (select count(*) from notes n where n.conversation_id = t.id) "
    "from unnest(%b::uuid[]) as t (id)"
)
