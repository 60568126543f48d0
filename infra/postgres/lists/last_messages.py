"""What a list shows of each row besides the conversation: the customer's last message, what is wrong with the last
answer, to whom the next one is promised, and which campaign the customer answered. It is read apart from the rows:
`last_text` is the last *text*, and a photo or a voice message has none."""

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
    """The rows, each with what is wrong with the last answer that was sent from here, and with the campaign that the
    customer answered. One statement; each row is read from the indexes of its sends and answers."""
    if not rows:
        return []
    found = {row[0]: row[1:] for row in conn.execute(_ANSWERS, [[row.id for row in rows]], prepare=True)}
    return [_with_answers(row, *found.get(row.id, (None, None))) for row in rows]


def _with_answers(row: ListedConversation, answer: str | None, campaign: str | None) -> ListedConversation:
    if (row.answer, row.campaign) == (answer, campaign):
        return row
    return replace(row, answer=answer, campaign=campaign)


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
    select t.id, case when s.state in ('unknown', 'failed', 'dropped') then s.state end, k.name
    from unnest(%b::uuid[]) as t (id) left join lateral (
      select state from sends where conversation_id = t.id and is_word order by ordinal desc limit 1
    ) as s on true left join lateral (
      select k.name from campaign_answers a join campaigns k on k.id = a.campaign_id
      where a.conversation_id = t.id order by a.at, a.campaign_id limit 1
    ) as k on true where s.state in ('unknown', 'failed', 'dropped') or k.name is not null
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
