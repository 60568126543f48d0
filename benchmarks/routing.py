"""How long routing takes to bring 10,000 conversations that wait together with 200 agents who all become ready.

The morning of a bad night: the customers chose from the menu, half of them sales, half support, and nobody was there;
then all agents come at once. Everybody is a member of both skillsets and has 50 slots: exactly as many as there are
conversations, so that one conversation too many for anybody, or one left over, shows. One process routes, in rounds of
as many conversations as it takes; nobody else writes.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from statistics import median
from time import monotonic

import psycopg

from benchmarks.company import AGENTS, MOST, agents_ready, company, customers_write
from benchmarks.figures import Figure
from consumers.workers.routing import Routing
from domain.routing.transfers import RoutingPolicy
from domain.topics import Topics
from infra.local.postgres import LocalPostgres
from infra.postgres.connections.session import DatabaseSession
from infra.process.memory import collect_rarely

CONVERSATIONS = len(AGENTS) * MOST
_LIVENESS_SECONDS = 5.0
"""None that waits and none who is available wait for each other longer (domain.md, Presence and routing)."""


def measure(server: LocalPostgres, conversations: int = CONVERSATIONS) -> Iterator[Figure]:
    """From the first round to the commit of the last."""
    with company(server) as dsn:
        customers_write(dsn, conversations, "1", "2")
        agents_ready(dsn)
        rounds = _route(dsn)
        loads = _loads(dsn)
    moved, seconds = sum(loads), sum(rounds)
    yield Figure(
        what=f"routing of {conversations:,} queued conversations to {len(AGENTS)} agents",
        value=f"{seconds:.1f} s, {len(rounds)} rounds",
        target=f"all, at most {MOST} an agent, within {_LIVENESS_SECONDS:.0f} s",
        holds=moved == conversations and max(loads) <= MOST and seconds <= _LIVENESS_SECONDS,
        meaning=f"{moved:,} have an agent, {moved / seconds:,.0f} a second, {min(loads)} to {max(loads)} an agent; a "
        f"round {median(rounds) * 1000:,.0f} ms, the longest {max(rounds) * 1000:,.0f} ms",
    )


def _route(dsn: str) -> list[float]:
    """Seconds of each round, until nothing moves."""
    rounds = list[float]()
    collect_rarely()  # as the process does
    with closing(DatabaseSession(dsn, "bench routing")) as session:
        routing = Routing(session.transaction, Topics(), RoutingPolicy(offer=timedelta(hours=1)))
        while True:
            began = monotonic()
            if routing.round() == 0:
                return rounds
            rounds.append(monotonic() - began)


def _loads(dsn: str) -> list[int]:
    """Conversations of each agent who has any."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select count(*) from conversations where status = 'a' and owner_kind = 'u' and owner_state = 'a' "
            "group by owner_id"
        ).fetchall()
    return [row[0] for row in rows]
