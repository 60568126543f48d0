"""Fills the words of messages: which conversations differ from what was read, and what is written in them. Nothing is
written while messages come in: a conversation that changed is found by its version, sequence and number of entries, and
a message that its customer edited or deleted by a mark of that change. Raises psycopg errors."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.ids import fact_id
from domain.search import searched
from infra.postgres.connections.arrays import column_arrays

MOST_MESSAGES = 2000
"""Of a longer conversation, the words of so many latest messages are kept."""
MOST_BYTES = 200_000
"""The words of a conversation, at most; PostgreSQL takes no more than a megabyte."""


class _State(NamedTuple):
    """The state of a conversation, in the order of the columns. `words`: those of its row; None: no list searches
    it."""

    id: UUID
    phone_number_id: str
    version: int
    sequence: int
    entries: int
    closed: bool
    last_at: datetime
    words: str | None


def changed(connection: Connection[Any], limit: int) -> list[UUID]:
    """Returns at most `limit` conversations that are active and differ from what was read of them, or were active when
    they were read. O(active conversations on the list)."""
    return [id_ for (id_,) in connection.execute(_CHANGED, {"limit": limit})]


def lower_end(connection: Connection[Any], high: UUID | None, rows: int) -> UUID | None:
    """Returns the lowest of the `rows` conversations below `high`; None: there are not so many."""
    found = connection.execute(_LOWER_END, {"high": high, "rows": rows - 1}).fetchone()
    return found[0] if found is not None else None


def changed_between(connection: Connection[Any], low: UUID | None, high: UUID | None) -> list[UUID]:
    """Returns the conversations of this part of all, `low` included, that differ from what was read of them, or that no
    list searches any more. O(that part)."""
    return [id_ for (id_,) in connection.execute(_CHANGED_BETWEEN, {"low": low, "high": high})]


def take_changed_messages(connection: Connection[Any], limit: int) -> list[UUID]:
    """Marks at most `limit` edits and deletions as seen, and returns the conversations of their messages. Those that
    are written at this moment are left for later. What is read after this call in the same transaction has them."""
    if connection.execute("select from message_changes where not words_seen limit 1").fetchone() is None:
        return []  # an update of nothing would tell open pages that something changed
    rows = connection.execute(_TAKE_CHANGED_MESSAGES, {"limit": limit}).fetchall()
    messages = [fact_id("message", number, wamid) for number, wamid in rows]
    found = connection.execute(
        "select distinct e.conversation_id from entries e "
        "join conversation_words w on w.conversation_id = e.conversation_id where e.input_id = any(%b::uuid[])",
        [messages],
    )
    return [id_ for (id_,) in found]


def refresh(connection: Connection[Any], conversations: Sequence[UUID]) -> None:
    """Reads the words of conversations again; forgets those that no list searches. The state is read before the
    messages: a message that arrives between the two is found as a change by the next look."""
    rows = connection.execute(_STATES, [list(conversations)]).fetchall()
    states = {state.id: state for state in map(_State._make, rows) if state.words is not None}
    texts: dict[UUID, list[str]] = {}
    for id_, text in connection.execute(_TEXTS, {"ids": list(states), "most": MOST_MESSAGES}):
        texts.setdefault(id_, []).append(text)
    found = [(*state[:-1], _words(state.words or "", texts.get(id_, ()))) for id_, state in sorted(states.items())]
    if found:
        connection.execute(_WRITE, column_arrays(found))
    if gone := [id_ for id_ in conversations if id_ not in states]:
        connection.execute("delete from conversation_words where conversation_id = any(%b::uuid[])", [gone])


def _words(of_row: str, texts: Iterable[str]) -> str:
    """Returns the words of a row and of messages, the latest first, up to `MOST_BYTES`."""
    found = dict.fromkeys(of_row.split(" "))
    found |= dict.fromkeys(searched(texts, (), ()).split())
    joined = " ".join(found).encode()
    return joined[:MOST_BYTES].decode(errors="ignore").strip()


_LOWEST: LiteralString = "00000000-0000-0000-0000-000000000000"
_HIGHEST: LiteralString = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_STATE: LiteralString = "(c.version, c.sequence, c.entries, c.status = 'c')"
_READ: LiteralString = "(w.version, w.sequence, w.entries, w.closed)"
_CHANGED: LiteralString = f"""
(select id from conversations where unmanaged and status = 'a'
  except select conversation_id from conversation_words where not closed limit %(limit)s)
union all
(select w.conversation_id from conversation_words w left join conversations c on c.id = w.conversation_id
  where not w.closed and (c.search is null or {_STATE} is distinct from {_READ}) limit %(limit)s)
limit %(limit)s
"""
_LOWER_END: LiteralString = f"""
select id from conversations where id < coalesce(%(high)s::uuid, '{_HIGHEST}')
order by id desc offset %(rows)s limit 1
"""
_CHANGED_BETWEEN: LiteralString = f"""
select c.id from conversations c left join conversation_words w on w.conversation_id = c.id
where c.id >= coalesce(%(low)s::uuid, '{_LOWEST}')
  and c.id < coalesce(%(high)s::uuid, '{_HIGHEST}')
  and case when c.search is null then w.conversation_id is not null else {_STATE} is distinct from {_READ} end
union all
select w.conversation_id from conversation_words w
where w.conversation_id >= coalesce(%(low)s::uuid, '{_LOWEST}')
  and w.conversation_id < coalesce(%(high)s::uuid, '{_HIGHEST}')
  and not exists (select from conversations c where c.id = w.conversation_id)
"""
_TAKE_CHANGED_MESSAGES: LiteralString = """
update message_changes m set words_seen = true from (
  select phone_number_id, wamid from message_changes where not words_seen limit %(limit)s for update skip locked
) as t where m.phone_number_id = t.phone_number_id and m.wamid = t.wamid
returning m.phone_number_id, m.wamid
"""
_STATES: LiteralString = """
select id, phone_number_id, version, sequence, entries, status = 'c', last_at, search
from conversations where id = any(%b::uuid[])
"""
WRITTEN: LiteralString = """
  select e.input_id, e.at, e.arrival, e.kind, case when m.edited_at is null then e.body else m.body end as text
  from entries e left join conversations c on c.id = e.conversation_id
  left join message_changes m on e.kind = 'customer_turn'
    and m.phone_number_id = c.phone_number_id and m.wamid = e.wamid
  where e.conversation_id = t.id and e.kind in ('customer_turn', 'human_echo', 'bot_message', 'agent_message')
    and e.body is not null and not coalesce(m.deleted, false)
  order by e.at desc, e.input_id desc limit %(most)s
"""
"""What was written in conversation `t.id`, as it is after edits and deletions, the latest first, at most `most`."""
_TEXTS: LiteralString = f"""
select t.id, w.text from unnest(%(ids)s::uuid[]) as t (id) cross join lateral ({WRITTEN}) as w
where w.text is not null
"""
_WRITE: LiteralString = """
insert into conversation_words (conversation_id, phone_number_id, version, sequence, entries, closed, last_at, words)
select id, phone_number_id, version, sequence, entries, closed, last_at, array_to_tsvector(string_to_array(words, ' '))
from unnest(%b::uuid[], %b::text[], %b::integer[], %b::integer[], %b::integer[], %b::boolean[], %b::timestamptz[],
  %b::text[]) as t (id, phone_number_id, version, sequence, entries, closed, last_at, words)
on conflict (conversation_id) do update set version = excluded.version, sequence = excluded.sequence,
  entries = excluded.entries, closed = excluded.closed, last_at = excluded.last_at, words = excluded.words
"""
