"""The agents' page: what agents said of their presence there, and which of their pages are open. Functions raise
psycopg errors."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from domain.routing.agents import PresenceState


class SaidPresence(NamedTuple):
    """What an agent said, and since when, by the database's clock."""

    state: PresenceState
    reason: str | None
    since: datetime


class RecordedPresence(NamedTuple):
    """What is stored of an agent's presence, which routing goes by. `since`: when it began, as far as this page knows;
    `is_stale`: nothing was reported for so long that the agent counts as offline."""

    state: PresenceState
    reason: str | None
    since: datetime
    is_stale: bool


def say(conn: Connection[Any], agent: str, state: PresenceState, reason: str | None) -> SaidPresence:
    """Stores what an agent says of their presence."""
    cursor = conn.cursor(row_factory=class_row(SaidPresence))
    said = cursor.execute(
        "insert into desk_presence as p (agent_id, state, reason, since) values (%(agent)s, %(state)s, %(reason)s, "
        "clock_timestamp()) on conflict (agent_id) do update set state = excluded.state, reason = excluded.reason, "
        "since = case when (p.state, p.reason) is distinct from (excluded.state, excluded.reason) "
        "then clock_timestamp() else p.since end returning state, reason, since",
        {"agent": agent, "state": state, "reason": reason},
    ).fetchone()
    assert said is not None
    return said


def say_again(conn: Connection[Any], agent: str) -> SaidPresence | None:
    """Returns what an agent said last, to be repeated; None: nothing, or that they left."""
    cursor = conn.cursor(row_factory=class_row(SaidPresence))
    return cursor.execute(
        "select state, reason, since from desk_presence where agent_id = %s and state <> 'offline'", (agent,)
    ).fetchone()


def forget_old(conn: Connection[Any], agent: str, timeout: timedelta) -> None:
    """What an agent said before they were away for longer than `timeout` is not repeated any more."""
    conn.execute(
        "update desk_presence set state = 'offline', reason = null, since = clock_timestamp() "
        "where agent_id = %s and state <> 'offline' and since < clock_timestamp() - %s",
        (agent, timeout),
    )


def tell_of_page(conn: Connection[Any], agent: str, page: UUID, lives: timedelta, *, rings: bool) -> bool:
    """Stores that a page is open and whether it rings; returns whether any open page of the agent does. `lives`: see
    `domain.routing.agents.page_timeout`."""
    conn.execute("delete from desk_pages where agent_id = %s and seen_at < clock_timestamp() - %s", (agent, lives))
    conn.execute(
        "insert into desk_pages (agent_id, page, rings, seen_at) values (%s, %s, %s, clock_timestamp()) "
        "on conflict (agent_id, page) do update set rings = excluded.rings, seen_at = excluded.seen_at",
        (agent, page, rings),
    )
    return is_heard(conn, agent, lives)


def is_heard(conn: Connection[Any], agent: str, lives: timedelta) -> bool:
    """Whether an open page of the agent rings."""
    found = conn.execute(
        "select exists (select from desk_pages where agent_id = %s and rings and seen_at >= clock_timestamp() - %s)",
        (agent, lives),
    ).fetchone()
    assert found is not None
    return bool(found[0])


def leave(conn: Connection[Any], agent: str) -> bool:
    """Forgets the agent's pages; returns whether the agent is on the page, so that their leaving is worth telling."""
    conn.execute("delete from desk_pages where agent_id = %s", (agent,))
    return say_again(conn, agent) is not None


def recorded(conn: Connection[Any], agent: str, timeout: timedelta) -> RecordedPresence | None:
    """Returns the stored presence of an agent; None: none was ever reported. `timeout`: see `RoutingPolicy`."""
    cursor = conn.cursor(row_factory=class_row(RecordedPresence))
    return cursor.execute(
        "select p.state, p.reason, case when d.state = p.state then d.since else p.at end as since, "
        "p.seen_at <= clock_timestamp() - %s as is_stale "
        "from agent_presence p left join desk_presence d on d.agent_id = p.agent_id where p.agent_id = %s",
        (timeout, agent),
    ).fetchone()


def moment_of(conn: Connection[Any], action: str) -> datetime:
    """Returns when an action was done: now, or when it was asked for first. Forgets actions of days that are over."""
    conn.execute("delete from desk_actions where at < now() - interval '1 day'")
    conn.execute("insert into desk_actions (id, at) values (%s, clock_timestamp()) on conflict do nothing", (action,))
    found = conn.execute("select at from desk_actions where id = %s", (action,)).fetchone()
    assert found is not None
    at: datetime = found[0]
    return at


def marks(conn: Connection[Any], agents: Collection[str], timeout: timedelta) -> dict[str, str]:
    """Returns, for each agent, a text that changes whenever what the page shows of their own does: their presence, what
    the directory says of them, and their conversations."""
    found = conn.execute(
        """
        select a.id, concat_ws('.', p.state, p.reason, p.seen_at <= clock_timestamp() - %s, u.max_conversations,
          array_to_string(u.skillsets, ' '),
          (select md5(string_agg(concat_ws(' ', c.id, c.version, c.sequence, c.entries), ',' order by c.id))
            from conversations c where c.status = 'a' and c.owner_kind = 'u' and c.owner_id = a.id
              and (c.owner_state in ('a', 'x') or c.parked_until is not null)))
        from unnest(%s::text[]) as a (id) left join agent_presence p on p.agent_id = a.id
        left join users u on u.id = a.id
        """,
        (timeout, list(agents)),
    )
    return dict(found.fetchall())
