"""Conversations that wait for an agent, and offers that were not accepted. Raises psycopg errors."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.ids import ConversationId, CustomerId
from domain.routing.agents import Member, page_timeout
from infra.postgres.conversations import columns, memory

_Found = list[tuple[ConversationId, CustomerId]]

_LAST = memory.decision_path("last")
_DECLINED_BY = memory.decision_path("declined_by")

_ENDED = """
select c.id, c.customer_id from conversations c
where c.status = 'a' and c.owner_kind = 'u' and c.owner_state = 'a' and c.owner_until <= %(now)s
  and (c.owner_until <= %(watermark)s or c.memory #>> %(last)s::text[] = 'declined')
union
select c.id, c.customer_id from agent_presence p
join conversations c on c.owner_id = p.agent_id and c.status = 'a' and c.owner_kind = 'u' and c.owner_state = 'a'
where p.state = 'offline' or p.seen_at <= %(stale_since)s or p.state = 'ready' and exists (
  select from desk_presence d where d.agent_id = p.agent_id and d.state = 'ready' and d.since = p.at
) and not exists (
  select from desk_pages g where g.agent_id = p.agent_id and g.rings and g.seen_at > %(page_gone_since)s
)
union
select c.id, c.customer_id from conversations c
where c.status = 'a' and c.owner_kind = 'u' and c.owner_state = 'a' and c.owner_id = any(%(over_capacity)s::text[])
limit %(limit)s
"""

_DECLINED: LiteralString = """
  select from json_array_elements(c.memory #> %(declined_by)s::text[]) p
  where p ->> 0 = m.id and (p ->> 1)::timestamptz >= m.state_at
"""

# The condition is "owner_state not in ('a', 'x')" instead of "owner_state = 'r'": with the latter the planner may read
# the index of the list of waiting conversations once per member.
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
    where c.status = 'a' and c.owner_kind = 'u' and c.owner_id = m.id and c.window_ends_at > %(watermark)s
      and c.owner_state not in ('a', 'x') and c.owner_until > %(watermark)s
      and (c.parked_until is null or c.parked_until <= %(now)s) and not exists ({_DECLINED})
    order by later, c.queued_at limit m.free + %(spare)s
  ) c
  union all
  select false, c.* from (
    select skillset, least(sum(free), %(limit)s) as free from skills group by skillset
  ) s
  cross join (values (false), (true)) as urgency (later) cross join lateral (
    select c.id, c.customer_id, urgency.later, c.queued_at from conversations c
    where c.status = 'a' and c.owner_kind = 's' and c.owner_id = s.skillset and c.window_ends_at > %(watermark)s
      and (c.owner_state = 'q' or c.owner_until > %(watermark)s)
      and (c.parked_until is null or c.parked_until <= %(now)s) and (c.window_ends_at > %(soon)s) = urgency.later
      and exists (select from skills m where m.skillset = s.skillset and not exists ({_DECLINED}))
    order by c.queued_at limit s.free + %(spare)s
  ) c
) c
order by not c.personal, c.later, c.queued_at limit %(limit)s
"""

_ON_ITS_WAY: LiteralString = """
  exists (
    select from sends s where s.phone_number_id = c.phone_number_id and s.recipient = c.customer_id::text
      and s.state in ('queued', 'sending') and s.is_word
  ) or exists (
    select from sends s where s.conversation_id = c.id and s.is_word and (
      s.state in ('queued', 'sending') or s.wamid is not null and s.claimed_at > %(now)s - interval '10 min'
      and s.state <> 'failed' and not exists (
        select from entries e where e.conversation_id = c.id and e.at >= s.claimed_at and e.kind = 'agent_message'
          and e.detail ->> 'send_id' = s.id::text))
  )
"""
"""Whether a message to the customer waits to be sent, or was accepted by Meta and is not processed as a word yet; one
that is not within ten minutes never will be."""

_OWNERS_OVER: LiteralString = f"""
select c.id, c.customer_id from (
  (select c.id, c.customer_id, c.owner_until as until from conversations c
    where c.status = 'a' and c.owner_state in ('r', 'x') and c.owner_until <= %(now)s
      and (c.owner_state = 'r' or not ({_ON_ITS_WAY}))
    order by c.owner_until limit %(limit)s)
  union all
  (select c.id, c.customer_id, c.reply_by from conversations c
    where c.status = 'a' and c.reply_by <= %(now)s and not ({_ON_ITS_WAY})
    order by c.reply_by limit %(limit)s)
) c order by c.until limit %(limit)s
"""

_OWNED_BY = """
select c.id, c.customer_id from conversations c
where c.status = 'a' and c.owner_kind = 'u' and c.owner_id = any(%(users)s::text[]) and not c.managed
union all
select c.id, c.customer_id from conversations c
where c.status = 'a' and c.owner_kind = 's' and c.owner_id = any(%(skillsets)s::text[])
"""

SOON = timedelta(minutes=30)
"""Conversations whose window ends within this time are offered first."""
SPARE = 10
"""How many more conversations of each queue are read than its members have free capacity for: other writers may hold
the locks of the first ones."""


class Queues:
    """Queues on one connection, inside the caller's transaction. The methods take no lock."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def ended(
        self,
        now: datetime,
        watermark: datetime,
        presence_timeout: timedelta,
        over_capacity: Collection[str],
        limit: int,
    ) -> _Found:
        """Returns offers that have ended: declined, not accepted in time, or made to an agent who is offline, whose
        presence is stale, who has no page left that rings (`Member.page_at`), or who is one of those `over_capacity`.
        `watermark`: everything reported before is processed; missed offers, stale presence and pages are judged by
        it."""
        values = {
            "now": now,
            "watermark": watermark,
            "stale_since": watermark - presence_timeout,
            "page_gone_since": watermark - page_timeout(presence_timeout),
            "over_capacity": list(over_capacity),
            "last": _LAST,
            "limit": limit,
        }
        return list(self._connection.execute(_ENDED, values).fetchall())

    def owners_over(self, now: datetime, limit: int) -> _Found:
        """Returns conversations whose reservation has ended, those that an agent accepted without a word to the
        customer in time, and those whose customer had no reply in time; the earliest end first. While a word is on its
        way (`with_word_on_its_way`) they are left out."""
        return list(self._connection.execute(_OWNERS_OVER, {"now": now, "limit": limit}).fetchall())

    def with_word_on_its_way(self, conversations: Collection[UUID], now: datetime) -> set[UUID]:
        """Returns those of the conversations to whose customer a message of a person waits to be sent, or was sent and
        is not processed yet. The caller holds the locks of their customers: nobody can ask for another one."""
        found = self._connection.execute(
            f"select c.id from conversations c where c.id = any(%(of)s::uuid[]) and ({_ON_ITS_WAY})",
            {"of": list(conversations), "now": now},
        )
        return {id_ for (id_,) in found}

    def owned_by(self, users: Collection[str], skillsets: Collection[str]) -> _Found:
        """Returns the conversations of these users and skillsets in which nobody has written to the customer."""
        values = {"users": list(users), "skillsets": list(skillsets)}
        return list(self._connection.execute(_OWNED_BY, values).fetchall())

    def waiting(
        self, available: Collection[Member], now: datetime, watermark: datetime, limit: int, spare: int = SPARE
    ) -> _Found:
        """Returns the conversations that the available agents can be offered, in the order of offering: those reserved
        for one of them, then those in the queues of their skillsets. Windows and reservations that are over at the
        inbound watermark, and conversations that all of them declined, are skipped. Of each queue at most `spare` more
        than the free capacity of its members are returned."""
        if not available:
            return []
        memberships = [(skillset, member.id) for member in available for skillset in member.skillsets]
        values = {
            "ids": [member.id for member in available],
            "states_at": [member.state_at for member in available],
            "free": [member.free_capacity for member in available],
            "skillsets": [skillset for skillset, _ in memberships],
            "of": [member for _, member in memberships],
            "declined_by": _DECLINED_BY,
            "spare": spare,
            "watermark": watermark,
            "now": now,
            "soon": now + SOON,
            "limit": limit,
        }
        return list(self._connection.execute(_WAITING, values).fetchall())

    def read(self, conversations: Collection[UUID]) -> list[Conversation]:
        """Returns those of the conversations that are active and have an owner. The caller must hold the locks of their
        customers."""
        rows = self._connection.execute(
            f"select {columns.READ_BACK} from conversations c "
            "where c.id = any(%b::uuid[]) and c.status = 'a' and c.owner_kind is not null",
            [list(conversations)],
        ).fetchall()
        return [columns.from_row(row) for row in rows]
