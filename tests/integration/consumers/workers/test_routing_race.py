"""Many consumers on one database at the same time, while customers and agents come and go: nobody ever has more than
they may have, no two writers wait for each other, and nothing waits for ever."""

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

from consumers.batches.batch_loop import RetryBatch
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
    """Every worker is a thread with a connection of its own, as a process is."""

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
        """Until the time is over; raises what any of them raised."""
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
        except BaseException as error:  # the test's thread raises it again
            self.failures.append(error)
            self._over.set()

    @property
    def goes_on(self) -> bool:
        return monotonic() < self.until and not self._over.is_set()

    def record(self, value: bytes, headers: Any = ()) -> IncomingRecord:
        return IncomingRecord("race", 0, next(self.places), datetime.now(UTC), value, headers)

    # the workers

    def routes(self, _chance: random.Random) -> None:
        with self.session("routing") as session:
            routing = Routing(session.transaction, self.topics, TERMS)
            while self.goes_on:
                self.moved += routing.round()

    def ends_reservations(self, _chance: random.Random) -> None:
        with self.session("timer") as session:
            timer = Timer(session.transaction, self.topics)
            while self.goes_on:
                timer.end_reservations()

    def commands(self, chance: random.Random) -> None:
        """Batches of transfers and recalls of whatever conversation."""
        conversations = self._conversations()
        with self.session("commands") as session:
            handler = Commands(self.topics, [SECRET], TERMS, MailPolicy(address))
            while self.goes_on:
                batch = [self._command(chance, chance.choice(conversations)) for _ in range(chance.randrange(1, 20))]
                self._again(session, partial(handler.apply, records=batch))
                self.answered += len(batch)

    def agents(self, chance: random.Random) -> None:
        """They come and go, accept or decline what they were just offered, and close what they had."""
        with self.session("agents") as session:
            handler = Conversations(self.topics)
            while self.goes_on:
                with session.transaction() as connection:
                    offered = connection.execute(
                        "select id, customer_id, owner_id, owner_state::text from conversations "
                        "where status = 'a' and owner_state in ('a', 'x')"
                    ).fetchall()
                came_or_went = chance.sample(sorted(USERS), 5)
                facts = [self.presence(a, chance.choice(["ready", "ready", "paused", "offline"])) for a in came_or_went]
                self._again(session, partial(handler.apply, records=[self.told(each) for each in facts]))
                for found in chance.sample(offered, min(20, len(offered))):
                    self._again(session, partial(self._at_the_desk, handler=handler, found=found, chance=chance))

    def customers(self, chance: random.Random) -> None:
        """Some write again, and choose; those whose conversation was closed begin another one."""
        with self.session("customers") as session:
            handler = Conversations(self.topics)
            while self.goes_on:
                hour = (datetime.now(UTC) - START) / timedelta(hours=1)
                facts = [
                    customer(chance.randrange(CUSTOMERS)).turn(hour, chance.choice(["hello", "1", "2"]))
                    for _ in range(5)
                ]
                self._again(session, partial(handler.apply, records=[self.told(each) for each in facts]))

    def watches(self, _chance: random.Random) -> None:
        """Looks at one moment after the other, with a rest for the others to work in."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while self.goes_on:
                self.assert_sound(connection)
                self.seen += 1
                self._over.wait(0.02)

    def assert_sound(self, connection: Connection[Any]) -> None:
        above = connection.execute(
            "select u.id, count(*) from users u join conversations c on c.owner_id = u.id and c.owner_kind = 'u' "
            "and c.status = 'a' and c.owner_state in ('a', 'x') group by u.id having count(*) > u.max_conversations"
        ).fetchall()
        assert [] == above
        wrong = connection.execute(
            "select id from conversations where status = 'c' and owner_id is not null or managed and unmanaged "
            "or managed and owner_state in ('q', 'r', 'a') "
            "or status = 'a' and not managed and unmanaged <> (owner_id is null)"
        ).fetchall()
        assert [] == wrong

    def _again(self, session: DatabaseSession, work: Callable[[Connection[Any]], None]) -> None:
        while True:
            try:
                with session.transaction() as connection:
                    return work(connection)
            except RetryBatch:
                continue

    def _at_the_desk(
        self, connection: Connection[Any], handler: Conversations, found: Any, chance: random.Random
    ) -> None:
        """Only if it is still theirs, which nobody changes while the customer is locked."""
        conversation, customer_id, agent, _ = found
        connection.execute("select from customers where id = %s for no key update", [customer_id])
        row = connection.execute("select owner_id, owner_state::text from conversations where id = %s", [conversation])
        match row.fetchone():
            case (owner, "a") if owner == agent:
                kind = chance.choice(["accepted", "accepted", "declined"])
            case (owner, "x") if owner == agent:
                kind = "closed"
            case _:
                return
        now = datetime.now(UTC)
        said = {"id": fact_id("desk", str(next(self.places))), "at": now, "sent_at": now}
        fact = FACT.validate_python(
            {**said, "kind": f"agent_{kind}", "agent_id": agent, "conversation_id": conversation}
        )
        handler.apply(connection, [self.told(fact)])

    def presence(self, agent: str, state: str) -> Fact:
        now = datetime.now(UTC)
        said = {"id": fact_id("presence", str(next(self.places))), "at": now, "sent_at": now}
        return AgentPresenceChanged.model_validate({**said, "agent_id": agent, "state": state})

    def told(self, fact: Fact) -> IncomingRecord:
        return self.record(FACT.dump_json(fact))

    def _command(self, chance: random.Random, conversation: UUID) -> IncomingRecord:
        now = datetime.now(UTC)
        body: Recall | Transfer
        if chance.random() < 0.3:
            body = Recall(conversation_id=conversation)
        else:
            kind = chance.choice(["user", "skillset"])
            target = chance.choice(sorted(USERS) if kind == "user" else ["sales", "support"])
            mode = chance.choice(["immediate", "exclusive"])
            body = Transfer.model_validate(
                {"conversation_id": conversation, "target": {"kind": kind, "id": target}, "mode": mode}
            )
        issuer = chance.choice(["boss", chance.choice(sorted(USERS))])
        asked = new_command(
            body,
            id_=str(next(self.places)),
            source="/race",
            issuer=issuer,
            at=now,
            expires_at=now + timedelta(minutes=5),
        )
        record = signed(asked, "race", SECRET)
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
        Conversations(race.topics).apply(connection, [race.told(fact) for fact in facts])
    race.until = monotonic() + SECONDS
    return race


def test_with_many_consumers_nobody_is_ever_above_the_maximum_and_nothing_waits_for_ever(race: Race) -> None:
    race.run(
        *[race.routes] * ROUTERS,
        *[race.commands] * COMMANDERS,
        race.ends_reservations,
        race.agents,
        race.agents,
        race.customers,
        race.watches,
    )
    assert min(race.moved, race.answered, race.seen) > 20

    with race.session("routing") as session:
        routing = Routing(session.transaction, race.topics, RoutingPolicy())
        while routing.round():
            pass
    with psycopg.connect(race.dsn) as connection:
        race.assert_sound(connection)
        assert [] == waits_in_vain(connection)
        results = connection.execute("select count(*) from outbox where topic = %s", [race.topics.results]).fetchone()
        assert (race.answered,) == results
        gaps = connection.execute(
            "select conversation_id from history group by 1 having count(*) <> max(sequence)"
        ).fetchall()
        assert [] == gaps


def waits_in_vain(connection: Connection[Any]) -> list[tuple[UUID, str]]:
    """Conversations that wait, each with an available member who could get it."""
    queues = Queues(connection)
    now = queues.now()
    waiting = connection.execute("select id from conversations where status = 'a' and owner_state in ('q', 'r')")
    available: list[Member] = [m for m in Agents(connection).everybody().values() if m.is_available(now)]
    return [
        (conversation.id, member.id)
        for conversation in queues.read([row[0] for row in waiting.fetchall()])
        for member in available
        if is_eligible(conversation, member, now)
    ]
