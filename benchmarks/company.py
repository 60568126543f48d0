"""A company of today, for the measurements that go by the database's clock: a fresh database, 200 agents who are ready
for 50 conversations each, all of them members of both skillsets, and customers who wrote a minute ago."""

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

from benchmarks.stories import DIRECTORY, GREETING, number_id, turn
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

MOST = 50
"""Conversations that an agent may have."""

AGENTS = tuple(f"agent-{place:03}" for place in range(200))
SKILLSETS = tuple(sorted(DIRECTORY.skillsets))
COMPANY = replace(
    DIRECTORY,
    users={name: User(name, name, f"{name}@example.com", "agent", MOST, SKILLSETS) for name in AGENTS},
)

_BATCH = 500


@contextmanager
def company(server: LocalPostgres) -> Iterator[str]:
    """The address of its database, which is dropped on leaving."""
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
    """All of them, now."""
    now = utc_now()
    _hear(
        dsn,
        [
            AgentPresenceChanged(id=fact_id(agent, str(now)), at=now, sent_at=now, agent_id=agent, state="ready")
            for agent in AGENTS
        ],
    )


def customers_write(dsn: str, how_many: int, *choices: str) -> list[UUID]:
    """Their conversations, at a number with a menu, in the order of the ids. The customers greet, then choose in turn
    from `choices`; without any nobody is waited for: the conversations are unmanaged."""
    at = utc_now() - timedelta(minutes=1)
    facts: list[Fact] = []
    for place in range(how_many):
        wa_id, cause = f"39{place:010}", uuid4().hex
        facts.append(turn(number_id(0), wa_id, at, GREETING, cause))
        if choices:
            facts.append(turn(number_id(0), wa_id, at, choices[place % len(choices)], f"{cause}:choice"))
    _hear(dsn, facts)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum (analyze)")
        return [row[0] for row in connection.execute("select id from conversations order by id").fetchall()]


def _hear(dsn: str, facts: Sequence[Fact]) -> None:
    handler, offsets, now = Conversations(Topics()), count(), utc_now()
    records = [IncomingRecord("bench", 0, next(offsets), now, FACT.dump_json(fact), ()) for fact in facts]
    with psycopg.connect(dsn, autocommit=True) as connection:
        for begin in range(0, len(records), _BATCH):
            _apply(connection, handler, records[begin : begin + _BATCH])
        connection.execute("truncate outbox")


def _apply(connection: Connection[Any], handler: Conversations, records: Sequence[IncomingRecord]) -> None:
    with connection.transaction():
        handler.apply(connection, records)
