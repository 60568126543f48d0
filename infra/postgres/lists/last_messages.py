"""What a list shows of each row besides the conversation: the customer's last message, what is wrong with the last
answer, and to whom the next one is promised. It is read apart from the rows: `last_text` is the last *text*, and a
photo or a voice message has none."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL

from infra.postgres.lists.unmanaged import LastMessage, ListedConversation, ListedPromise


def with_last_messages(conn: Connection[Any], rows: Sequence[ListedConversation]) -> list[ListedConversation]:
    """The rows with the customer's last message, after edits, where it is not a text; one that the customer deleted has
    the kind `deleted`. One statement; each row is read from the index of its entries."""
    if not rows:
        return []
    found = dict[object, LastMessage]()
    for id_, kind, text, extra in conn.execute(_LAST, [[row.id for row in rows]], prepare=True):
        found[id_] = LastMessage(kind, text, extra or {})
    return [replace(row, last=found[row.id]) if row.id in found else row for row in rows]


def with_last_answers(conn: Connection[Any], rows: Sequence[ListedConversation]) -> list[ListedConversation]:
    """The rows, each with what is wrong with the last answer that was sent from here. One statement; each row is read
    from the index of its sends."""
    if not rows:
        return []
    found = dict(conn.execute(_ANSWERS, [[row.id for row in rows]], prepare=True).fetchall())
    return [row if row.answer == found.get(row.id) else replace(row, answer=found.get(row.id)) for row in rows]


def with_promises(conn: Connection[Any], rows: Sequence[ListedConversation]) -> list[ListedConversation]:
    """The rows, each with to whom the customer's next answer is promised. One statement, from the index of the wishes
    of a conversation; none if no row is closed."""
    if not any(row.status == "closed" for row in rows):
        return [*rows]
    closed = [row.id for row in rows if row.status == "closed"]
    found = {row[0]: ListedPromise(*row[1:]) for row in conn.execute(_PROMISES, [closed], prepare=True)}
    return [row if row.promise == found.get(row.id) else replace(row, promise=found.get(row.id)) for row in rows]


_PROMISES = SQL(
    "select conversation_id, target_kind, target_id, ends_at from wishes "
    "where conversation_id = any(%b::uuid[]) and state = 'waiting'"
)
_ANSWERS = SQL(
    """
    select t.id, s.state from unnest(%b::uuid[]) as t (id) cross join lateral (
      select state from sends where conversation_id = t.id and is_word order by ordinal desc limit 1
    ) as s where s.state in ('unknown', 'failed', 'dropped')
    """
)
_LAST = SQL(
    """
    select t.id, case when c.deleted then 'deleted' else m.type end,
      case when c.deleted then null when c.edited_at is null then m.body else c.body end,
      case when not coalesce(c.deleted, false) then m.extra end
    from unnest(%b::uuid[]) as t (id) cross join lateral (
      select e.detail ->> 'type' as type, e.body, e.detail -> 'extra' as extra, e.wamid,
        e.detail ->> 'phone_number_id' as phone_number_id
      from entries e where e.conversation_id = t.id and e.kind = 'customer_turn'
      order by e.at desc, e.arrival desc, e.input_id desc limit 1
    ) as m left join message_changes c on c.phone_number_id = m.phone_number_id and c.wamid = m.wamid
    where m.type <> 'text' or c.deleted
    """
)
