"""A company whose data are current, for measurements that depend on the database's clock.

It has a new database, 200 ready agents with a capacity of 50 conversations and both skillsets each, and customers who
wrote a minute ago.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from benchmarks.setup.stories import DIRECTORY, GREETING, number_id, turn
from consumers.handlers.conversations import Conversations
from domain.directory import User
from domain.facts import FACT, AgentPresenceChanged, Fact
from domain.ids import fact_id
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.local.postgres import LocalPostgres
from infra.postgres import directory
from infra.postgres.migrations import migrate
from infra.process.clock import utc_now

CAPACITY = 50
"""Maximum conversations of an agent."""

AGENTS = tuple(f"agent-{place:03}" for place in range(200))
SKILLSETS = tuple(sorted(DIRECTORY.skillsets))
COMPANY = replace(
    DIRECTORY,
    users={name: User(name, name, f"{name}@example.com", "agent", CAPACITY, SKILLSETS) for name in AGENTS},
)

_BATCH = 500


@contextmanager
def company(server: LocalPostgres) -> Iterator[str]:
    """Yields the connection string of its database, which is dropped at the end."""
    name = f"bench_company_{uuid4().hex[:8]}"
    dsn = server.ensure_database(name)
    try:
        migrate(dsn)
        with psycopg.connect(dsn) as connection:
            directory.apply(connection, COMPANY)
        yield dsn
    finally:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute(SQL("drop database {} with (force)").format(Identifier(name)))


def agents_ready(dsn: str) -> None:
    """Reports all agents as ready now."""
    now = utc_now()
    _process(
        dsn,
        [
            AgentPresenceChanged(id=fact_id(agent, str(now)), at=now, sent_at=now, agent_id=agent, state="ready")
            for agent in AGENTS
        ],
    )


def customers_write(dsn: str, how_many: int, *choices: str) -> list[UUID]:
    """Creates conversations at a number with a menu and returns their ids in ascending order.

    Each customer sends a greeting and then the next of `choices`. Without choices the conversations are unmanaged.
    """
    at = utc_now() - timedelta(minutes=1)
    facts: list[Fact] = []
    for place in range(how_many):
        wa_id, cause = f"39{place:010}", uuid4().hex
        facts.append(turn(number_id(0), wa_id, at, GREETING, cause))
        if choices:
            facts.append(turn(number_id(0), wa_id, at, choices[place % len(choices)], f"{cause}:choice"))
    _process(dsn, facts)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum (analyze)")
        return [row[0] for row in connection.execute("select id from conversations order by id").fetchall()]


def _process(dsn: str, facts: Sequence[Fact]) -> None:
    handler, offsets, now = Conversations(Topics()), count(), utc_now()
    records = [IncomingRecord("bench", 0, next(offsets), now, FACT.dump_json(fact), ()) for fact in facts]
    with psycopg.connect(dsn, autocommit=True) as connection:
        for begin in range(0, len(records), _BATCH):
            _apply(connection, handler, records[begin : begin + _BATCH])
        connection.execute("truncate outbox")


def _apply(connection: Connection[Any], handler: Conversations, records: Sequence[IncomingRecord]) -> None:
    with connection.transaction():
        handler.apply(connection, records)
