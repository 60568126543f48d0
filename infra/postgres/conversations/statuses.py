"""Facts that are stored without being folded into a conversation: statuses of outgoing messages, agents' presence, and
notices. All functions write in the caller's transaction and raise psycopg errors."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from pydantic_core import to_json

from domain.facts import AgentPresenceChanged, MessageStatus, Notice
from infra.postgres.connections.arrays import column_arrays

STATUS_RANKS = {"failed": 0, "sent": 1, "delivered": 2, "read": 3, "played": 4}
"""The progress of an outgoing message, as a rank. A stored rank never decreases (webhooks.md, Statuses)."""


def write_statuses(connection: Connection[Any], statuses: Iterable[MessageStatus]) -> None:
    """Merges each status into the row of its message, whether or not the message is known yet. A row holds the furthest
    success, the latest time of a success, and the last failure with its code."""
    # each of these only grows, so neither the order nor the repetition of statuses matters
    merged: dict[tuple[str, str, str], tuple[int, datetime | None, datetime | None, int | None]] = {}
    for s in statuses:
        key = (s.phone_number_id, s.wamid, s.recipient)
        rank, succeeded, failed, code = merged.get(key, (0, None, None, None))
        if s.status == "failed":
            if failed is None or s.at >= failed:
                failed, code = s.at, s.code
        else:
            rank = max(rank, STATUS_RANKS[s.status])
            succeeded = s.at if succeeded is None else max(succeeded, s.at)
        merged[key] = (rank, succeeded, failed, code)
    rows = [(*key, *merged[key]) for key in sorted(merged)]
    if rows:
        connection.execute(
            "insert into message_status as m "
            "(phone_number_id, wamid, recipient, rank, succeeded_at, failed_at, code) "
            "select * from unnest(%b::text[], %b::text[], %b::text[], %b::smallint[], %b::timestamptz[], "
            "%b::timestamptz[], %b::bigint[]) on conflict (phone_number_id, wamid, recipient) do update set "
            "rank = greatest(m.rank, excluded.rank), succeeded_at = greatest(m.succeeded_at, excluded.succeeded_at), "
            "failed_at = greatest(m.failed_at, excluded.failed_at), "
            "code = case when excluded.failed_at >= coalesce(m.failed_at, excluded.failed_at) then excluded.code "
            "else m.code end "
            "where (m.rank, m.succeeded_at, m.failed_at) is distinct from (greatest(m.rank, excluded.rank), "
            "greatest(m.succeeded_at, excluded.succeeded_at), greatest(m.failed_at, excluded.failed_at))",
            column_arrays(rows),
        )


def write_presence(
    connection: Connection[Any], changes: Iterable[AgentPresenceChanged], seen: Mapping[str, datetime]
) -> None:
    """Stores the latest change of each agent, by (time, id); if the agent was ready before and still is, `ready_since`
    does not change. A change whose time lay after its arrival (`at` before `sent_at`) has no place in that order: it
    counts because it arrived last, and so does the next one. `changes`: in the order of arrival. `seen`: agent -> time
    of the last signed event of any kind from their desktop; agents whose presence was never reported are skipped."""
    for rows in _presence_rows(changes):
        connection.execute(_WRITE_PRESENCE, column_arrays(rows))
    if seen:
        connection.execute(
            "update agent_presence p set seen_at = greatest(p.seen_at, t.at) from "
            "unnest(%b::text[], %b::timestamptz[]) as t (agent_id, at) where p.agent_id = t.agent_id",
            column_arrays(sorted(seen.items())),
        )


_PresenceRow = tuple[str, str, datetime, UUID, bool, str | None]


def _presence_rows(changes: Iterable[AgentPresenceChanged]) -> Iterator[list[_PresenceRow]]:
    """Yields what one statement can write, each agent once, sorted by agent: one list, unless an agent reported both
    by a right clock and by one that runs ahead."""
    runs: dict[str, list[AgentPresenceChanged]] = {}
    for change in changes:
        of_agent = runs.setdefault(change.agent_id, [])
        last = of_agent[-1] if of_agent else None
        if last is None or _is_ahead(last) != _is_ahead(change):
            of_agent.append(change)
        elif _is_ahead(change) or (change.at, change.id) > (last.at, last.id):
            of_agent[-1] = change
    for nth in range(max(map(len, runs.values()), default=0)):
        written = [of_agent[nth] for _, of_agent in sorted(runs.items()) if len(of_agent) > nth]
        yield [(c.agent_id, c.state, c.at, c.id, _is_ahead(c), c.reason) for c in written]


def _is_ahead(change: AgentPresenceChanged) -> bool:
    return change.sent_at > change.at


_WRITE_PRESENCE = """
insert into agent_presence as p (agent_id, state, at, input_id, ready_since, ordered_at, reason)
select agent_id, state, at, input_id, case when state = 'ready' then at end, case when ahead then 'epoch' else at end,
  reason
from unnest(%b::text[], %b::text[], %b::timestamptz[], %b::uuid[], %b::boolean[], %b::text[])
  as t (agent_id, state, at, input_id, ahead, reason)
on conflict (agent_id) do update set state = excluded.state, at = excluded.at, input_id = excluded.input_id,
  reason = excluded.reason,
  ready_since = case when p.state = 'ready' and excluded.state = 'ready' then p.ready_since
    else excluded.ready_since end,
  ordered_at = greatest(coalesce(p.ordered_at, p.at), excluded.ordered_at)
where excluded.ordered_at = 'epoch' or excluded.at > coalesce(p.ordered_at, p.at)
  or (excluded.at = p.at and p.at = coalesce(p.ordered_at, p.at) and excluded.input_id > p.input_id)
"""


def write_notices(connection: Connection[Any], notices: Iterable[Notice]) -> None:
    """Stores notices; those that are already stored are skipped."""
    rows = [
        (n.id, n.sent_at, n.at, n.account_id, n.phone_number_id, n.field, to_json(n.body).decode())
        for n in sorted(notices, key=lambda n: n.id)
    ]
    if rows:
        connection.execute(
            "insert into notices (input_id, sent_at, at, account_id, phone_number_id, field, body) "
            "select input_id, sent_at, at, account_id, phone_number_id, field, body::json "
            "from unnest(%b::uuid[], %b::timestamptz[], %b::timestamptz[], %b::text[], %b::text[], %b::text[], "
            "%b::text[]) "
            "as t (input_id, sent_at, at, account_id, phone_number_id, field, body) on conflict do nothing",
            column_arrays(rows),
        )
