"""Measures how long routing takes to assign 10,000 queued conversations to 200 agents who all become ready at once.

The customers chose from the menu, half of them sales, half support, while no agent was present; then all agents become
ready. Every agent has both skillsets and a capacity of 50, which gives exactly one place per conversation: one
conversation too many for an agent, or one left over, is noticed. A single process routes, and nothing else writes.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from statistics import median
from time import monotonic

import psycopg

from benchmarks.figures import Figure
from benchmarks.setup.company import AGENTS, CAPACITY, agents_ready, company, customers_write
from consumers.workers.routing import Routing
from domain.routing.transfers import RoutingPolicy
from domain.topics import Topics
from infra.local.postgres import LocalPostgres
from infra.postgres.connections.session import DatabaseSession
from infra.process.memory import collect_rarely

CONVERSATIONS = len(AGENTS) * CAPACITY
_LIVENESS_SECONDS = 5.0
"""Longest time that a queued conversation and an available agent wait for each other (domain.md, Presence and
routing)."""


def measure(server: LocalPostgres, conversations: int = CONVERSATIONS) -> Iterator[Figure]:
    """Yields the time from the first poll to the last commit."""
    with company(server) as dsn:
        customers_write(dsn, conversations, "1", "2")
        agents_ready(dsn)
        polls = _route(dsn)
        loads = _loads(dsn)
    moved, seconds = sum(loads), sum(polls)
    yield Figure(
        what=f"routing of {conversations:,} queued conversations to {len(AGENTS)} agents",
        value=f"{seconds:.1f} s, {len(polls)} polls",
        target=f"all, at most {CAPACITY} per agent, within {_LIVENESS_SECONDS:.0f} s",
        holds=moved == conversations and max(loads) <= CAPACITY and seconds <= _LIVENESS_SECONDS,
        meaning=f"{moved:,} assigned, {moved / seconds:,.0f} a second, {min(loads)} to {max(loads)} per agent; "
        f"median poll {median(polls) * 1000:,.0f} ms, longest {max(polls) * 1000:,.0f} ms",
    )


def _route(dsn: str) -> list[float]:
    """Routes until nothing is left to assign, and returns the seconds of each poll."""
    polls = list[float]()
    collect_rarely()  # as the process does
    with closing(DatabaseSession(dsn, "bench routing")) as session:
        routing = Routing(session.transaction, Topics(), RoutingPolicy(offer=timedelta(hours=1)))
        while True:
            began = monotonic()
            if routing.poll() == 0:
                return polls
            polls.append(monotonic() - began)


def _loads(dsn: str) -> list[int]:
    """Returns the number of conversations of each agent who has any."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select count(*) from conversations where status = 'a' and owner_kind = 'u' and owner_state = 'a' "
            "group by owner_id"
        ).fetchall()
    return [row[0] for row in rows]
