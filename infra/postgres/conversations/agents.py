"""Agents for routing: their presence, and how many active conversations each has, read under locks (architecture.md,
P5)."""

from collections.abc import Collection
from typing import Any

from psycopg import Connection

from domain.routing.agents import Member

_MEMBERS = """
select u.id, u.skillsets, u.max_conversations,
  (select count(*) from conversations c where c.status = 'a' and c.owner_kind = 'u' and c.owner_id = u.id
    and c.owner_state in ('a', 'x'))::integer,
  p.state, p.at, p.seen_at, greatest(p.ready_since, i.since),
  case when d.agent_id is not null
    then (select coalesce(max(g.seen_at), 'epoch') from desk_pages g where g.agent_id = d.agent_id and g.rings) end
from users u left join agent_presence p on p.agent_id = u.id left join agent_idle i on i.agent_id = u.id
left join desk_presence d on d.agent_id = p.agent_id and d.state = 'ready' and p.state = 'ready' and d.since = p.at
where u.id = any(%b::text[])
"""


class Agents:
    """Agents on one connection, inside the caller's transaction. Raises psycopg errors."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def lock(self, users: Collection[str], skillsets: Collection[str] = ()) -> dict[str, Member]:
        """Locks these users and the members of the skillsets, in the order of their ids, and returns them; waits for
        other writers. The caller must hold the customers' locks. O(the users' conversations)."""
        rows = self._connection.execute(
            "select id from users where id = any(%b::text[]) or skillsets && %b::text[] order by id for no key update",
            [list(users), list(skillsets)],
        ).fetchall()
        # counted under the locks: until the transaction ends, no other writer can assign a conversation to these users
        return self._members([row[0] for row in rows])

    def all_with_presence(self) -> dict[str, Member]:
        """Returns all users with their presence and active conversations, for display. Takes no lock."""
        return self._members([row[0] for row in self._connection.execute("select id from users").fetchall()])

    def ready(self) -> dict[str, Member]:
        """Returns the users whose last reported presence is *ready*, also when it is stale. Takes no lock, so routing
        reads the chosen ones again with `lock`."""
        rows = self._connection.execute(
            "select u.id from users u join agent_presence p on p.agent_id = u.id where p.state = 'ready'"
        ).fetchall()
        return self._members([row[0] for row in rows])

    def mark_assigned(self, agents: Collection[str]) -> None:
        """Records that these agents were assigned a conversation now: their idle time starts again."""
        if agents:
            self._connection.execute(
                "insert into agent_idle (agent_id, since) "
                "select id, now() from unnest(%b::text[]) as t (id) order by id "
                "on conflict (agent_id) do update set since = excluded.since",
                [sorted(set(agents))],
            )

    def _members(self, users: Collection[str]) -> dict[str, Member]:
        if not users:
            return {}
        rows = self._connection.execute(_MEMBERS, [list(users)]).fetchall()
        return {
            user: Member(
                user, frozenset(skillsets), capacity, active, state or "offline", state_at, seen_at, idle_since, page_at
            )
            for user, skillsets, capacity, active, state, state_at, seen_at, idle_since, page_at in rows
        }
