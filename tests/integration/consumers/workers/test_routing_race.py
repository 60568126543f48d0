"""Many consumers on one database at the same time, while customers write and agents change their presence: no agent is
ever over capacity, there is no deadlock, and no conversation waits for ever."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from consumers.batches.poison import RetryBatch
from consumers.handlers.commands import Commands
from consumers.handlers.conversations import Conversations
from consumers.workers.routing import Routing
from consumers.workers.timer import Timer
from domain.commands import Recall, Transfer, new_command, signed
from domain.directory import Directory, User
from domain.facts import FACT, AgentPresenceChanged, Fact, Party
from domain.ids import fact_id
from domain.mail import MailPolicy
from domain.routing.agents import Member
from domain.routing.transfers import RoutingPolicy, is_eligible
from domain.topics import Topics
from infra.kafka.consumer import IncomingRecord
from infra.postgres import directory
from infra.postgres.connections.clock import database_now
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.conversations.agents import Agents
from infra.postgres.conversations.queues import Queues
from infra.ses.addresses import address
from tests.support.stories import DIRECTORY, START, FactMaker

CUSTOMERS, AGENTS, SECONDS = 2_000, 50, 8.0
ROUTERS = COMMANDERS = 4
SECRET = b"secret"
TERMS = RoutingPolicy(offer=timedelta(seconds=0.5), reservation=timedelta(seconds=1))
USERS = {
    f"agent{n:02}": User(
        f"agent{n:02}", "A", "a@example.com", "agent", 1 + n % 4, ("sales",) if n % 2 else ("sales", "support")
    )
    for n in range(AGENTS)
}
COMPANY = Directory(DIRECTORY.numbers, DIRECTORY.skillsets, USERS)


class Race:
    """Concurrent workers. Each is a thread with its own connection, in place of a process."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.topics = Topics()
        self.until = monotonic() + SECONDS
        self.failures: list[BaseException] = []
        self.moved = 0
        self.answered = 0
        self.seen = 0
        self.places = count()
        self._over = threading.Event()

    @contextmanager
    def session(self, name: str) -> Iterator[DatabaseSession]:
        with closing(DatabaseSession(self.dsn, name)) as session:
            yield session

    def run(self, *workers: Callable[[random.Random], None]) -> None:
        """Runs the workers until the time is over; raises the first error of any of them."""
        threads = [threading.Thread(target=self._guarded, args=(work, seed)) for seed, work in enumerate(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def _guarded(self, work: Callable[[random.Random], None], seed: int) -> None:
        try:
            work(random.Random(seed))
        except BaseException as error:  # raised again by `run`, in the thread of the test
            self.failures.append(error)
            self._over.set()

    @property
    def is_running(self) -> bool:
        return monotonic() < self.until and not self._over.is_set()

    def record(self, value: bytes, headers: Any = ()) -> IncomingRecord:
        return IncomingRecord("race", 0, next(self.places), datetime.now(UTC), value, headers)

    # the workers

    def route(self, _generator: random.Random) -> None:
        with self.session("routing") as session:
            routing = Routing(session.transaction, self.topics, TERMS)
            while self.is_running:
                self.moved += routing.poll()

    def end_owners(self, _generator: random.Random) -> None:
        with self.session("timer") as session:
            timer = Timer(session.transaction, self.topics)
            while self.is_running:
                timer.end_owners()

    def commands(self, generator: random.Random) -> None:
        """Carries out batches of transfers and recalls of random conversations."""
        conversations = self._conversations()
        with self.session("commands") as session:
            handler = Commands(self.topics, [SECRET], TERMS, MailPolicy(address))
            while self.is_running:
                batch = [
                    self._command(generator, generator.choice(conversations)) for _ in range(generator.randrange(1, 20))
                ]
                self._retrying(session, partial(handler.apply, records=batch))
                self.answered += len(batch)

    def agents(self, generator: random.Random) -> None:
        """Agents change their presence, accept or decline offers, and close conversations."""
        with self.session("agents") as session:
            handler = Conversations(self.topics)
            while self.is_running:
                with session.transaction() as connection:
                    offered = connection.execute(
                        "select id, customer_id, owner_id, owner_state::text from conversations "
                        "where status = 'a' and owner_state in ('a', 'x')"
                    ).fetchall()
                changing = generator.sample(sorted(USERS), 5)
                facts = [self.presence(a, generator.choice(["ready", "ready", "paused", "offline"])) for a in changing]
                self._retrying(session, partial(handler.apply, records=[self.fact_record(each) for each in facts]))
                for found in generator.sample(offered, min(20, len(offered))):
                    self._retrying(session, partial(self._report, handler=handler, found=found, generator=generator))

    def customers(self, generator: random.Random) -> None:
        """Random customers write again, and some choose an option; a message after a close opens a new conversation."""
        with self.session("customers") as session:
            handler = Conversations(self.topics)
            while self.is_running:
                hour = (datetime.now(UTC) - START) / timedelta(hours=1)
                facts = [
                    customer(generator.randrange(CUSTOMERS)).turn(hour, generator.choice(["hello", "1", "2"]))
                    for _ in range(5)
                ]
                self._retrying(session, partial(handler.apply, records=[self.fact_record(each) for each in facts]))

    def watch(self, _generator: random.Random) -> None:
        """Checks one snapshot after another, with a pause in which the others work."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while self.is_running:
                self.assert_consistent(connection)
                self.seen += 1
                self._over.wait(0.02)

    def assert_consistent(self, connection: Connection[Any]) -> None:
        over_capacity = connection.execute(
            "select u.id, count(*) from users u join conversations c on c.owner_id = u.id and c.owner_kind = 'u' "
            "and c.status = 'a' and c.owner_state in ('a', 'x') group by u.id having count(*) > u.max_conversations"
        ).fetchall()
        assert [] == over_capacity
        inconsistent = connection.execute(
            "select id from conversations where status = 'c' and owner_id is not null or managed and unmanaged "
            "or managed and owner_state in ('q', 'r', 'a') "
            "or status = 'a' and not managed and unmanaged <> (owner_id is null)"
        ).fetchall()
        assert [] == inconsistent

    def _retrying(self, session: DatabaseSession, work: Callable[[Connection[Any]], object]) -> None:
        while True:
            try:
                with session.transaction() as connection:
                    work(connection)
                return
            except RetryBatch:
                continue

    def _report(
        self, connection: Connection[Any], handler: Conversations, found: Any, generator: random.Random
    ) -> None:
        """Processes a report of the agent's desktop if the agent still owns the conversation, which cannot change while
        the customer is locked."""
        conversation, customer_id, agent, _ = found
        connection.execute("select from customers where id = %s for no key update", [customer_id])
        row = connection.execute("select owner_id, owner_state::text from conversations where id = %s", [conversation])
        match row.fetchone():
            case (owner, "a") if owner == agent:
                kind = generator.choice(["accepted", "accepted", "declined"])
            case (owner, "x") if owner == agent:
                kind = "closed"
            case _:
                return
        now = datetime.now(UTC)
        common = {"id": fact_id("desk", str(next(self.places))), "at": now, "sent_at": now}
        fact = FACT.validate_python(
            {**common, "kind": f"agent_{kind}", "agent_id": agent, "conversation_id": conversation}
        )
        handler.apply(connection, [self.fact_record(fact)])

    def presence(self, agent: str, state: str) -> Fact:
        now = datetime.now(UTC)
        common = {"id": fact_id("presence", str(next(self.places))), "at": now, "sent_at": now}
        return AgentPresenceChanged.model_validate({**common, "agent_id": agent, "state": state})

    def fact_record(self, fact: Fact) -> IncomingRecord:
        return self.record(FACT.dump_json(fact))

    def _command(self, generator: random.Random, conversation: UUID) -> IncomingRecord:
        now = datetime.now(UTC)
        body: Recall | Transfer
        if generator.random() < 0.3:
            body = Recall(conversation_id=conversation)
        else:
            kind = generator.choice(["user", "skillset"])
            target = generator.choice(sorted(USERS) if kind == "user" else ["sales", "support"])
            mode = generator.choice(["immediate", "exclusive"])
            body = Transfer.model_validate(
                {"conversation_id": conversation, "target": {"kind": kind, "id": target}, "mode": mode}
            )
        issuer = generator.choice(["boss", generator.choice(sorted(USERS))])
        command = new_command(
            body,
            id_=str(next(self.places)),
            source="/race",
            issuer=issuer,
            at=now,
            expires_at=now + timedelta(minutes=5),
        )
        record = signed(command, "race", SECRET)
        return self.record(record.value, record.headers)

    def _conversations(self) -> list[UUID]:
        with psycopg.connect(self.dsn) as connection:
            return [row[0] for row in connection.execute("select id from conversations").fetchall()]


def customer(number: int) -> FactMaker:
    return FactMaker(customer=Party(wa_id=f"39{number:06}"))


@pytest.fixture
def race(database: str) -> Race:
    race = Race(database)
    hour = (datetime.now(UTC) - START) / timedelta(hours=1) - 1
    with psycopg.connect(database) as connection:
        directory.apply(connection, COMPANY)
        facts: list[Fact] = [customer(n).turn(hour, "hello" if n % 2 else "1") for n in range(CUSTOMERS)]
        facts += [race.presence(agent, "ready") for agent in USERS]
        Conversations(race.topics).apply(connection, [race.fact_record(fact) for fact in facts])
    race.until = monotonic() + SECONDS
    return race


def test_with_many_consumers_no_agent_is_ever_over_capacity_and_no_conversation_waits_for_ever(race: Race) -> None:
    race.run(
        *[race.route] * ROUTERS,
        *[race.commands] * COMMANDERS,
        race.end_owners,
        race.agents,
        race.agents,
        race.customers,
        race.watch,
    )
    assert min(race.moved, race.answered, race.seen) > 20

    with race.session("routing") as session:
        routing = Routing(session.transaction, race.topics, RoutingPolicy())
        while routing.poll():
            pass
    with psycopg.connect(race.dsn) as connection:
        race.assert_consistent(connection)
        assert [] == missed_conversations(connection)
        results = connection.execute("select count(*) from outbox where topic = %s", [race.topics.results]).fetchone()
        assert (race.answered,) == results
        gaps = connection.execute(
            "select conversation_id from history group by 1 having count(*) <> max(sequence)"
        ).fetchall()
        assert [] == gaps


def missed_conversations(connection: Connection[Any]) -> list[tuple[UUID, str]]:
    """Returns waiting conversations that routing should have offered, each with an available agent."""
    queues = Queues(connection)
    now = database_now(connection)
    waiting = connection.execute("select id from conversations where status = 'a' and owner_state in ('q', 'r')")
    available: list[Member] = [m for m in Agents(connection).all_with_presence().values() if m.is_available(now)]
    return [
        (conversation.id, member.id)
        for conversation in queues.read([row[0] for row in waiting.fetchall()])
        for member in available
        if is_eligible(conversation, member, now)
    ]
