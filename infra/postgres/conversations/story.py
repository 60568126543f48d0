"""What the simulator looks up: whether a story was already sent, what the agents of the demo have to do, and who of its
customers waits. Functions raise psycopg errors."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.ids import FactId


def stored_at(conn: Connection[Any], fact: FactId) -> datetime | None:
    """Returns the sender's time of a stored fact, or None if the fact is not stored."""
    found = conn.execute("select sent_at from entries where input_id = %s order by sent_at limit 1", (fact,)).fetchone()
    return found[0] if found else None


_LATELY = timedelta(minutes=2)


class DeskRow(NamedTuple):
    """A conversation of an agent. `turn`, `turn_at`: the customer's last message; `words`, `word_at`: how often this
    agent wrote, and when last."""

    id: UUID
    agent_id: str
    agent_name: str
    accepted: bool
    wa_id: str | None
    turn: UUID | None
    turn_at: datetime | None
    words: int
    word_at: datetime | None


class ReadyPerson(NamedTuple):
    """A person who is ready on the agents' page. `is_idle`: they have a slot free and no offer, and none of their
    customers wrote lately."""

    skillsets: Sequence[str]
    is_idle: bool


def simulated_agents(conn: Connection[Any], agents: Collection[str]) -> list[str]:
    """Returns those of these agents for whom nobody can sign in, in order."""
    found = conn.execute(
        "select agent from unnest(%b::text[]) as t (agent) where not exists (select from sign_ins where name = agent) "
        "order by agent",
        [list(agents)],
    )
    return [agent for (agent,) in found]


def owned_by(conn: Connection[Any], agents: Collection[str], numbers: Collection[str]) -> list[DeskRow]:
    """Returns the conversations with these numbers that these agents were offered or have."""
    return conn.cursor(row_factory=class_row(DeskRow)).execute(_OWNED, [list(agents), list(numbers)]).fetchall()


def ready_people(conn: Connection[Any], silent_after: timedelta) -> list[ReadyPerson]:
    """Returns who has a sign-in and is ready. `silent_after`: see `RoutingPolicy.presence_timeout`."""
    return (
        conn.cursor(row_factory=class_row(ReadyPerson))
        .execute(_READY, {"silent": silent_after, "lately": _LATELY})
        .fetchall()
    )


def phones_with_conversation(conn: Connection[Any], number: str) -> set[str]:
    """Returns the phones of those who have an active conversation with a number."""
    found = conn.execute(
        "select wa_id from conversations where status = 'a' and phone_number_id = %s and wa_id is not null", [number]
    )
    return {phone for (phone,) in found}


_OWNED = """
select c.id, c.owner_id as agent_id, u.name as agent_name, c.owner_state = 'x' as accepted, c.wa_id,
  turn.input_id as turn, turn.at as turn_at, word.words, word.at as word_at
from conversations c join users u on u.id = c.owner_id
left join lateral (
  select e.input_id, e.at from entries e where e.conversation_id = c.id and e.kind = 'customer_turn'
  order by e.at desc, e.input_id desc limit 1
) as turn on true
cross join lateral (
  select count(*) as words, max(e.at) as at from entries e
  where e.conversation_id = c.id and e.kind = 'agent_message' and e.detail ->> 'agent_id' = c.owner_id
) as word
where c.status = 'a' and c.owner_kind = 'u' and c.owner_state in ('a', 'x') and c.owner_id = any(%b::text[])
  and c.phone_number_id = any(%b::text[])
"""
_READY = """
select u.skillsets, coalesce(own.n < u.max_conversations and not own.busy, u.max_conversations > 0) as is_idle
from users u join sign_ins s on s.name = u.id join agent_presence p on p.agent_id = u.id
cross join lateral (
  select count(*) as n, bool_or(c.owner_state = 'a' or c.last_at > now() - %(lately)s::interval) as busy
  from conversations c
  where c.status = 'a' and c.owner_kind = 'u' and c.owner_id = u.id and c.owner_state in ('a', 'x')
) as own
where p.state = 'ready' and p.seen_at > now() - %(silent)s::interval order by u.id
"""
