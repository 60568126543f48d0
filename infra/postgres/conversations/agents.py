"""Agents as routing sees them, locked: who is ready, and how many conversations each has (architecture.md, P5)."""

from collections.abc import Collection
from typing import Any

from psycopg import Connection

from domain.routing.agents import Member

_MEMBERS = """
select u.id, u.skillsets, u.max_conversations,
  (select count(*) from conversations c where c.status = 'a' and c.owner_kind = 'u' and c.owner_id = u.id
    and c.owner_state in ('a', 'x'))::integer,
  p.state, p.at, p.seen_at, greatest(p.ready_since, i.since)
from users u left join agent_presence p on p.agent_id = u.id left join agent_idle i on i.agent_id = u.id
where u.id = any(%b::text[])
"""


class Agents:
    """On one connection, inside the caller's transaction. Raises psycopg errors."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def lock(self, users: Collection[str], skillsets: Collection[str] = ()) -> dict[str, Member]:
        """Takes the locks of these users and of the skillsets' members, in the order of their ids, after the
        customers'. Slots are counted under the locks: nobody else can give these users anything. O(their
        conversations)."""
        rows = self._connection.execute(
            "select id from users where id = any(%b::text[]) or skillsets && %b::text[] order by id for no key update",
            [list(users), list(skillsets)],
        ).fetchall()
        return self._members([row[0] for row in rows])

    def everybody(self) -> dict[str, Member]:
        """All users, without a lock: for people to look at."""
        return self._members([row[0] for row in self._connection.execute("select id from users").fetchall()])

    def ready(self) -> dict[str, Member]:
        """Everybody whose last word was *ready*, without a lock: who is worth looking at."""
        rows = self._connection.execute(
            "select u.id from users u join agent_presence p on p.agent_id = u.id where p.state = 'ready'"
        ).fetchall()
        return self._members([row[0] for row in rows])

    def mark_assigned(self, agents: Collection[str]) -> None:
        """These agents were just given a conversation: they are idle since now."""
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
            user: Member(user, frozenset(skillsets), most, taken, state or "offline", at, seen, idle)
            for user, skillsets, most, taken, state, at, seen, idle in rows
        }
