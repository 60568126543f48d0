"""What waits for an agent, and what was offered and not accepted. Raises psycopg errors."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.conversation import Conversation
from domain.ids import ConversationId, CustomerId
from infra.postgres import conversation_rows

_Found = list[tuple[ConversationId, CustomerId]]

_ENDED = """
select c.id, c.customer_id from conversations c
where c.status = 'a' and c.owner_kind = 'u' and c.owner_state = 'a' and c.owner_until <= %(now)s
union
select c.id, c.customer_id from agent_presence p
join conversations c on c.owner_id = p.agent_id and c.status = 'a' and c.owner_kind = 'u' and c.owner_state = 'a'
where p.state = 'offline' or p.seen_at <= %(silent_since)s
limit %(limit)s
"""

_RESERVED = """
select c.id, c.customer_id from unnest(%(users)s::text[]) as u (id)
cross join lateral (
  select * from conversations c where c.status = 'a' and c.owner_kind = 'u' and c.owner_id = u.id
    and c.owner_state = 'r' order by c.queued_at limit %(limit)s
) c
"""

_QUEUED = """
select c.id, c.customer_id from unnest(%(skillsets)s::text[]) as s (id)
cross join lateral (
  select * from conversations c where c.status = 'a' and c.owner_kind = 's' and c.owner_id = s.id
  order by c.window_ends_at > %(soon)s, c.queued_at limit %(limit)s
) c
"""

_RESERVATIONS_OVER = """
select c.id, c.customer_id from conversations c
where c.status = 'a' and c.owner_state = 'r' and c.owner_until <= %(now)s order by c.owner_until limit %(limit)s
"""

_OWNED_BY = """
select c.id, c.customer_id from conversations c
where c.status = 'a' and c.owner_kind = 'u' and c.owner_id = any(%(users)s::text[]) and c.owner_state <> 'x'
union all
select c.id, c.customer_id from conversations c
where c.status = 'a' and c.owner_kind = 's' and c.owner_id = any(%(skillsets)s::text[])
"""

SOON = timedelta(minutes=30)
"""A window that ends this soon goes first."""


class Queues:
    """On one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def now(self) -> datetime:
        """The database's."""
        row = self._connection.execute("select clock_timestamp()").fetchone()
        assert row is not None
        now: datetime = row[0]
        return now

    def ended(self, now: datetime, silent: timedelta, limit: int) -> _Found:
        """Offers nobody accepted in time, and those of agents who went offline or whose desk is silent."""
        values = {"now": now, "silent_since": now - silent, "limit": limit}
        return list(self._connection.execute(_ENDED, values).fetchall())

    def reservations_over(self, now: datetime, limit: int) -> _Found:
        """Those whose time has come, the longest over first."""
        return list(self._connection.execute(_RESERVATIONS_OVER, {"now": now, "limit": limit}).fetchall())

    def owned_by(self, users: Collection[str], skillsets: Collection[str]) -> _Found:
        """What these have and nobody accepted: queued, reserved, assigned."""
        values = {"users": list(users), "skillsets": list(skillsets)}
        return list(self._connection.execute(_OWNED_BY, values).fetchall())

    def waiting(self, users: Collection[str], skillsets: Collection[str], now: datetime, limit: int) -> _Found:
        """What is reserved for these users, then the heads of these skillsets' queues."""
        found: _Found = []
        if users:
            found += self._connection.execute(_RESERVED, {"users": list(users), "limit": limit}).fetchall()
        if skillsets:
            values = {"skillsets": sorted(skillsets), "soon": now + SOON, "limit": limit}
            found += self._connection.execute(_QUEUED, values).fetchall()
        return found

    def read(self, conversations: Collection[UUID]) -> list[Conversation]:
        """These, as they are under the locks; only the active ones that somebody owns."""
        rows = self._connection.execute(
            f"select {conversation_rows.READ_BACK} from conversations c "
            "where c.id = any(%b::uuid[]) and c.status = 'a' and c.owner_kind is not null",
            [list(conversations)],
        ).fetchall()
        return [conversation_rows.from_row(row) for row in rows]

    def available_per_skillset(self, silent: timedelta) -> Mapping[str, int]:
        """How many members of each skillset could take a conversation now (the icon of S9): one query."""
        rows = self._connection.execute(
            "select s.id, count(u.id) filter (where p.state = 'ready' and p.seen_at > now() - %(silent)s "
            "and (select count(*) from conversations c where c.status = 'a' and c.owner_kind = 'u' "
            "and c.owner_id = u.id and c.owner_state in ('a', 'x')) < u.max_conversations) "
            "from skillsets s left join users u on s.id = any(u.skillsets) "
            "left join agent_presence p on p.agent_id = u.id group by s.id order by s.id",
            {"silent": silent},
        ).fetchall()
        return dict(rows)
