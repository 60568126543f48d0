"""What waits for an agent, and what was offered and not accepted. Raises psycopg errors."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation, Decisions
from domain.ids import ConversationId, CustomerId
from domain.routing.agents import Member
from infra.postgres.conversations import columns

_Found = list[tuple[ConversationId, CustomerId]]

_LAST = ["1", str(Decisions._fields.index("last"))]
"""Where `memory` keeps the last decision."""

_ENDED = """
select c.id, c.customer_id from conversations c
where c.status = 'a' and c.owner_kind = 'u' and c.owner_state = 'a' and c.owner_until <= %(now)s
  and (c.owner_until <= %(watermark)s or c.memory #>> %(last)s::text[] = 'declined')
union
select c.id, c.customer_id from agent_presence p
join conversations c on c.owner_id = p.agent_id and c.status = 'a' and c.owner_kind = 'u' and c.owner_state = 'a'
where p.state = 'offline' or p.seen_at <= %(silent_since)s
union
select c.id, c.customer_id from conversations c
where c.status = 'a' and c.owner_kind = 'u' and c.owner_state = 'a' and c.owner_id = any(%(above)s::text[])
limit %(limit)s
"""

_DECLINED_BY = ["1", str(Decisions._fields.index("declined_by"))]
"""Where `memory` keeps who let a conversation pass: in its second part, the decisions
(`infra.postgres.conversations.columns`)."""

_DECLINED: LiteralString = """
  select from json_array_elements(c.memory #> %(declined_by)s::text[]) p
  where p ->> 0 = m.id and (p ->> 1)::timestamptz >= m.state_at
"""

# not "= 'r'": that would invite the index of the waiting list, once for each member
_WAITING: LiteralString = f"""
with members as (
  select * from unnest(%(ids)s::text[], %(states_at)s::timestamptz[], %(free)s::integer[]) as m (id, state_at, free)
), skills as (
  select s.id as skillset, m.* from unnest(%(skillsets)s::text[], %(of)s::text[]) as s (id, member)
  join members m on m.id = s.member
)
select c.id, c.customer_id from (
  select true as personal, c.* from members m cross join lateral (
    select c.id, c.customer_id, c.window_ends_at > %(soon)s as later, c.queued_at from conversations c
    where c.status = 'a' and c.owner_kind = 'u' and c.owner_id = m.id
      and c.owner_state not in ('a', 'x') and c.owner_until > %(now)s and not exists ({_DECLINED})
    order by later, c.queued_at limit m.free + %(spare)s
  ) c
  union all
  select false, c.* from (
    select skillset, least(sum(free), %(limit)s) as free from skills group by skillset
  ) s
  cross join (values (false), (true)) as urgency (later) cross join lateral (
    select c.id, c.customer_id, urgency.later, c.queued_at from conversations c
    where c.status = 'a' and c.owner_kind = 's' and c.owner_id = s.skillset
      and (c.owner_state = 'q' or c.owner_until > %(now)s) and (c.window_ends_at > %(soon)s) = urgency.later
      and exists (select from skills m where m.skillset = s.skillset and not exists ({_DECLINED}))
    order by c.queued_at limit s.free + %(spare)s
  ) c
) c
order by not c.personal, c.later, c.queued_at limit %(limit)s
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
SPARE = 10
"""Of each queue, so many more than there are slots: somebody may hold the locks of those in front."""


class Queues:
    """On one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def ended(
        self, now: datetime, watermark: datetime, silent: timedelta, above: Collection[str], limit: int
    ) -> _Found:
        """Offers that were declined, that nobody accepted in time, and those of agents who went offline or whose desk
        is silent, and of those `above` their maximum. `watermark`: up to when everything is worked in."""
        values = {
            "now": now,
            "watermark": watermark,
            "silent_since": watermark - silent,
            "above": list(above),
            "last": _LAST,
            "limit": limit,
        }
        return list(self._connection.execute(_ENDED, values).fetchall())

    def reservations_over(self, now: datetime, limit: int) -> _Found:
        """Those whose time has come, the longest over first."""
        return list(self._connection.execute(_RESERVATIONS_OVER, {"now": now, "limit": limit}).fetchall())

    def owned_by(self, users: Collection[str], skillsets: Collection[str]) -> _Found:
        """What these have and nobody accepted: queued, reserved, assigned."""
        values = {"users": list(users), "skillsets": list(skillsets)}
        return list(self._connection.execute(_OWNED_BY, values).fetchall())

    def waiting(self, available: Collection[Member], now: datetime, limit: int) -> _Found:
        """What these can be given, in the order in which it is to be: reserved for one of them, then the skillsets'
        queues. What every one of them let pass is left out, however much of it there is; of each queue comes little
        more than its members have slots."""
        if not available:
            return []
        skills = [(skillset, member.id) for member in available for skillset in member.skillsets]
        values = {
            "ids": [member.id for member in available],
            "states_at": [member.state_at for member in available],
            "free": [member.free_capacity for member in available],
            "skillsets": [skillset for skillset, _ in skills],
            "of": [member for _, member in skills],
            "declined_by": _DECLINED_BY,
            "spare": SPARE,
            "now": now,
            "soon": now + SOON,
            "limit": limit,
        }
        return list(self._connection.execute(_WAITING, values).fetchall())

    def read(self, conversations: Collection[UUID]) -> list[Conversation]:
        """These, as they are under the locks; only the active ones that somebody owns."""
        rows = self._connection.execute(
            f"select {columns.READ_BACK} from conversations c "
            "where c.id = any(%b::uuid[]) and c.status = 'a' and c.owner_kind is not null",
            [list(conversations)],
        ).fetchall()
        return [columns.from_row(row) for row in rows]

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
