"""What rules see of conversations: since when they are on the list, what the customer wrote, and what was before.
Raises psycopg errors."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from domain.arrival import arrived_at
from domain.conversations.conversation import Conversation
from domain.rescue.judging import LeftAlone
from domain.rescue.seeing import OnList, Questions, TellLanguage, left_alone
from infra.postgres.conversations import columns
from infra.postgres.conversations.message_changes import read_changes

MOST_TEXTS = 50
"""So many of the customer's last messages are read."""


class Stay(NamedTuple):
    """A conversation's time on the list: the event with which it came there, and when that was."""

    began: int
    since: datetime


class SeenByRules(NamedTuple):
    """A conversation on the list, its time there, and what rules see of it."""

    conversation: Conversation
    stay: Stay
    seen: LeftAlone


def see(
    connection: Connection[Any], ids: Sequence[UUID], questions: Questions, tell_language: TellLanguage
) -> list[SeenByRules]:
    """Returns those of the conversations that are on the list and active, in the given order, read as far as some rule
    asks for it."""
    found = _on_list(connection, ids)
    stays = _stays(connection, [each.id for each in found])
    texts = _texts(connection, found) if questions.texts else {}
    had = skillsets_before(connection, [each.id for each in found]) if questions.had else {}
    seen = []
    for each in found:
        stay = stays.get(each.id)
        if stay is None or each.reason is None:
            continue
        listed = OnList(
            each.phone_number_id, each.reason, stay.since, each.window_ends_at, returning=each.previous is not None
        )
        left = left_alone(listed, texts.get(each.id, ()), had.get(each.id), questions, tell_language)
        seen.append(SeenByRules(each, stay, left))
    return seen


def known_since(connection: Connection[Any], conversations: Collection[UUID]) -> dict[UUID, datetime]:
    """Returns since when everything about conversations on the list that rules see has been known, and the rules have
    been as they are. Missing: that is not known."""
    found: dict[UUID, datetime] = {}
    if conversations:
        for id_, changed_at, published_at, arrival in connection.execute(_KNOWN, [list(conversations)]).fetchall():
            if changed_at is not None and published_at is not None:
                found[id_] = max(changed_at, published_at, arrived_at(arrival or 0) or published_at)
    return found


def _on_list(connection: Connection[Any], conversations: Collection[UUID]) -> list[Conversation]:
    """Returns those of the conversations that are on the list and active, in the given order."""
    rows = connection.execute(
        f"select {columns.READ_BACK} from conversations c "
        "where c.id = any(%b::uuid[]) and c.unmanaged and c.status = 'a'",
        [list(conversations)],
    ).fetchall()
    found: dict[UUID, Conversation] = {row.id: row for row in map(columns.from_row, rows)}
    return [found[id_] for id_ in conversations if id_ in found]


def _stays(connection: Connection[Any], conversations: Collection[UUID]) -> dict[UUID, Stay]:
    """Returns since when conversations have been on the list: one that was never elsewhere since the customer's first
    message, also if that was processed late."""
    rows = connection.execute(_STAYS, [list(conversations)]).fetchall()
    return {id_: Stay(began, since) for id_, began, since in rows}


def _texts(connection: Connection[Any], conversations: Sequence[Conversation]) -> dict[UUID, Sequence[str]]:
    """Returns what customers wrote or chose, as it is after edits and deletions, the first on top."""
    numbers: dict[UUID, str] = {each.id: each.phone_number_id for each in conversations}
    ids = list(numbers)
    rows = connection.execute(_TEXTS, {"ids": ids, "most": MOST_TEXTS}).fetchall()
    changes = read_changes(connection, {(numbers[id_], wamid) for id_, wamid, _ in rows if wamid is not None})
    found: dict[UUID, list[str]] = {}
    for id_, wamid, body in rows:
        change = changes.get((numbers[id_], wamid)) if wamid is not None else None
        text = change.current(body) if change is not None else body
        if text:
            found.setdefault(id_, []).append(text)
    return {id_: found.get(id_, []) for id_ in ids}


def skillsets_before(connection: Connection[Any], conversations: Collection[UUID]) -> Mapping[UUID, str]:
    """Returns the skillset that had the customer last, in an earlier conversation with the number, also under an id
    that was merged with theirs."""
    return dict(connection.execute(_BEFORE, [list(conversations)]).fetchall())


_STAYS: LiteralString = """
select c.id, min(h.sequence),
  case when off.until = 0 then c.opened_at else (array_agg(h.at order by h.sequence))[1] end
from unnest(%b::uuid[]) as t (id) join conversations c on c.id = t.id cross join lateral (
  select coalesce(max(sequence), 0) as until from history
  where conversation_id = t.id
    and event in ('queued', 'reserved', 'assigned', 'accepted', 'managed', 'dismissed', 'closed', 'reopened')
) as off join history h on h.conversation_id = t.id and h.sequence > off.until and h.event = 'became_unmanaged'
group by c.id, off.until
"""
_KNOWN: LiteralString = """
select t.id, (select v.at from directory_versions v join directory_version d using (version)),
  (select max(at) from history where conversation_id = t.id and event not like 'mail.%%'),
  (select max(arrival) from entries where conversation_id = t.id and kind in ('customer_turn', 'customer_signal'))
from unnest(%b::uuid[]) as t (id)
"""
_TEXTS: LiteralString = """
select t.id, e.wamid, e.body from unnest(%(ids)s::uuid[]) as t (id) cross join lateral (
  select * from (
    select at, arrival, input_id, wamid, body from entries
    where conversation_id = t.id and kind = 'customer_turn' and body is not null
    order by at desc, input_id desc limit %(most)s
  ) as last order by at, arrival
) as e
"""
_BEFORE: LiteralString = """
select c.id, before.owner_id from unnest(%b::uuid[]) as t (id) join conversations c on c.id = t.id
join customers k on k.id = c.customer_id
cross join lateral (
  select h.owner_id from (
    select coalesce(k.merged_into, k.id) as id
    union all select m.id from customers m where m.merged_into = coalesce(k.merged_into, k.id)
  ) as member join conversations p on p.customer_id = member.id join history h on h.conversation_id = p.id
  where p.phone_number_id = c.phone_number_id and p.opened_at < c.opened_at and h.owner_kind = 's'
  order by p.opened_at desc, h.sequence desc limit 1
) as before
"""
