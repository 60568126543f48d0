"""Who is ready: what each user says, has and waits for. Functions raise psycopg errors."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection

from domain.conversations.conversation import Conversation
from domain.routing.agents import page_timeout
from infra.postgres.conversations import columns

_PER_QUEUE = 20
"""Conversations that are read of each queue."""


class RosterEntry(NamedTuple):
    """What is known of a user besides `domain.routing.agents.Member`. `reason`: of a pause; `since`: when the state
    began; `on_page`: it was said on the agents' page, else by another desktop; `offers`: open ones; `accepted`: active
    conversations that they accepted, of which `answered` have their word."""

    user: str
    reason: str | None
    since: datetime | None
    on_page: bool
    offers: int
    accepted: int
    answered: int


_ENTRIES: LiteralString = """
select u.id, p.reason, case when d.state = p.state then d.since else p.at end as since,
  coalesce(d.state = p.state, false) as on_page,
  coalesce(c.offers, 0) as offers, coalesce(c.accepted, 0) as accepted, coalesce(c.answered, 0) as answered
from users u
left join agent_presence p on p.agent_id = u.id
left join desk_presence d on d.agent_id = u.id
left join lateral (
  select count(*) filter (where owner_state = 'a') as offers, count(*) filter (where owner_state = 'x') as accepted,
    count(*) filter (where owner_state = 'x' and managed) as answered
  from conversations where status = 'a' and owner_kind = 'u' and owner_id = u.id and owner_state in ('a', 'x')
) c on true
"""

_WAITING: LiteralString = f"""
select {columns.READ_BACK} from (
  (select w.* from unnest(%(skillsets)s::text[]) as s (id) cross join lateral (
    select * from conversations where status = 'a' and owner_kind = 's' and owner_id = s.id order by queued_at
    limit %(limit)s) w)
  union all
  (select w.* from unnest(%(users)s::text[]) as u (id) cross join lateral (
    select * from conversations where status = 'a' and owner_kind = 'u' and owner_id = u.id
      and owner_state not in ('a', 'x') limit %(limit)s) w)
) c
"""

_MARK: LiteralString = f"""
select md5(concat_ws('/', (select version from directory_version),
  (select string_agg(concat_ws(' ', r.*, p.state, p.seen_at <= clock_timestamp() - %(timeout)s,
    (select max(g.seen_at) <= clock_timestamp() - %(page)s from desk_pages g where g.agent_id = r.id and g.rings)),
    ',' order by r.id) from ({_ENTRIES}) r left join agent_presence p on p.agent_id = r.id),
  (select string_agg(concat_ws(' ', owner_kind, owner_id, n), ',' order by owner_kind, owner_id) from (
    select owner_kind, owner_id, count(*) as n from conversations where status = 'a' and owner_kind = 's' group by 1, 2
    union all
    select owner_kind, owner_id, count(*) from conversations where status = 'a' and owner_kind = 'u'
      and owner_state not in ('a', 'x') group by 1, 2) w)))
"""


def roster_mark(conn: Connection[Any], timeout: timedelta) -> str:
    """Returns a text that changes whenever what `roster` and presence say does, or how much waits for somebody.
    `timeout`: see `RoutingPolicy`. O(active conversations that have an owner)."""
    found = conn.execute(_MARK, {"timeout": timeout, "page": page_timeout(timeout)}).fetchone()
    assert found is not None
    return str(found[0])


def roster(conn: Connection[Any]) -> dict[str, RosterEntry]:
    """All users, by id. O(their active conversations)."""
    return {row[0]: RosterEntry._make(row) for row in conn.execute(_ENTRIES)}


def first_waiting(conn: Connection[Any], users: Collection[str], skillsets: Collection[str]) -> Sequence[Conversation]:
    """The first conversations that wait for each of these users and skillsets."""
    values = {"users": list(users), "skillsets": list(skillsets), "limit": _PER_QUEUE}
    return [columns.from_row(row) for row in conn.execute(_WAITING, values)]
