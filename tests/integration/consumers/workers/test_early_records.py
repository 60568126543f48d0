"""Records that name a conversation which another partition may still bring (consumers/workers/early_records.py)."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from consumers.batches.poison import PoisonPolicy
from consumers.handlers.conversations import Conversations
from consumers.workers.early_records import EarlyRecords
from domain.facts import FACT, Fact
from domain.ids import fact_id
from domain.topics import Topics
from infra.kafka.consumer import BrokerUnreachable, IncomingRecord
from infra.postgres import directory
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.messaging.early_records import store_early_records
from infra.postgres.messaging.offsets import Offsets, Partition, Position
from tests.support.stories import DIRECTORY, FactMaker, at

TOPICS = Topics()
TELLER = FactMaker()


class Unread:
    """What the broker knows of partitions that nobody has started to read."""

    def __init__(self) -> None:
        self.partitions: list[int] = []
        self.unreachable = False

    def beyond(self, begun: Collection[int]) -> Sequence[int]:
        if self.unreachable:
            raise BrokerUnreachable("gone")
        return [partition for partition in self.partitions if partition not in begun]


class Scene:
    """Two partitions of the inbound topic, processed up to given times, and a loop for early records."""

    def __init__(self, session: DatabaseSession, database: psycopg.Connection[Any]) -> None:
        self.database = database
        self.unread = Unread()
        self.handler = Conversations(TOPICS)
        self._session = session
        self.loop = EarlyRecords(session.transaction, TOPICS, self.handler, PoisonPolicy(), backlog=self.unread)
        self._offset = 0
        for partition in (0, 1):
            Offsets(database, "g").start(Partition(TOPICS.inbound, partition), Position("t", 0))

    def take(self, *facts: Fact, received: datetime, partition: int = 0) -> None:
        """Processes a batch as the batch loop does."""
        records = []
        for fact in facts:
            self._offset += 1
            value = FACT.dump_json(fact)
            records.append(IncomingRecord(TOPICS.inbound, partition, self._offset, received, value, ()))
        with self._session.transaction() as connection:
            store_early_records(connection, self.handler.apply(connection, records).early)

    def watermarks(self, first: datetime, second: datetime) -> None:
        places = [Partition(TOPICS.inbound, partition) for partition in (0, 1)]
        Offsets(self.database, "g").idle(dict.fromkeys(places, 0), dict(zip(places, (first, second), strict=True)))

    def waiting(self) -> int:
        return len(self.database.execute("select from early_records").fetchall())

    def dead_letters(self) -> list[str]:
        return [row[0] for row in self.database.execute("select reason from set_aside order by received_at")]


@pytest.fixture
def scene(database: str) -> Iterator[Scene]:
    with (
        psycopg.connect(database, autocommit=True) as connection,
        closing(DatabaseSession(database, "early")) as session,
    ):
        directory.apply(connection, DIRECTORY)
        yield Scene(session, connection)


def answered(conversation: object, name: str = "answered") -> Fact:
    """An agent's desktop names a conversation and nothing else."""
    nameless = {"conversation_id": conversation, "customer": None, "phone_number_id": None, "id": fact_id(name)}
    return TELLER.answered(1).model_copy(update=nameless)


def conversation_of(database: str, fact: Fact) -> object:
    """The id that the conversation of this first message will have."""
    with psycopg.connect(database, autocommit=True) as connection:
        directory.apply(connection, DIRECTORY)
        record = IncomingRecord(TOPICS.inbound, 0, 0, at(0), FACT.dump_json(fact), ())
        with connection.transaction():
            Conversations(TOPICS).apply(connection, [record])
        row = connection.execute("select id from conversations").fetchone()
        assert row is not None
        return row[0]


def test_a_record_before_its_conversation_waits_and_has_its_effect_once_the_conversation_is_there(
    scene: Scene, databases: Any
) -> None:
    first = TELLER.turn(0, "hello")
    id_ = conversation_of(databases.create(), first)
    scene.take(answered(id_), received=at(1))
    scene.watermarks(at(2), at(0.5))
    assert (0, 1) == (scene.loop.process(), scene.waiting())

    scene.take(first, received=at(1.5), partition=1)
    assert (1, 0) == (scene.loop.process(), scene.waiting())
    assert [(True,)] == scene.database.execute("select managed from conversations").fetchall()
    assert [] == scene.dead_letters()


def test_a_record_is_a_dead_letter_when_every_partition_has_passed_its_arrival(scene: Scene) -> None:
    records = [answered(fact_id("nowhere"), name=f"event {n}") for n in range(300)]
    scene.take(*records, TELLER.turn(1), received=at(1))
    assert [(1,)] == scene.database.execute("select entries from conversations").fetchall()

    scene.watermarks(at(2), at(1))
    assert (0, 300, []) == (scene.loop.process(), scene.waiting(), scene.dead_letters())

    scene.watermarks(at(2), at(1) + timedelta(milliseconds=1))
    assert (300, 0) == (scene.loop.process(), scene.waiting())
    assert ["conversation_id: there is no such conversation"] * 300 == scene.dead_letters()


@pytest.mark.parametrize("unreachable", [False, True])
def test_a_partition_that_nobody_reads_yet_may_bring_the_conversation(scene: Scene, unreachable: bool) -> None:
    scene.take(answered(fact_id("nowhere")), received=at(1))
    scene.watermarks(at(2), at(2))
    scene.unread.partitions, scene.unread.unreachable = [1, 2], unreachable
    assert (0, 1) == (scene.loop.process(), scene.waiting())

    scene.unread.partitions, scene.unread.unreachable = [0, 1], False
    assert (1, 0) == (scene.loop.process(), scene.waiting())


def test_a_record_that_cannot_be_stored_does_not_hold_back_the_others(scene: Scene, databases: Any) -> None:
    first = TELLER.turn(0, "hello")
    id_ = conversation_of(databases.create(), first)
    scene.database.execute("alter table entries add constraint no_close check (kind <> 'agent_closed')")
    nameless = {"conversation_id": id_, "customer": None, "phone_number_id": None}
    scene.take(TELLER.agent_closes(1).model_copy(update=nameless), answered(id_), received=at(1))
    scene.take(first, received=at(1.5), partition=1)
    assert (2, 0) == (scene.loop.process(), scene.waiting())
    assert ["SQLSTATE 23514"] == scene.dead_letters()
    assert [(True,)] == scene.database.execute("select managed from conversations").fetchall()


def test_a_record_that_is_read_again_waits_once(scene: Scene) -> None:
    """The consumer died after its transaction, for example, or a position was set back."""
    early = answered(fact_id("nowhere"))
    for _ in range(2):
        scene._offset = 0
        scene.take(early, received=at(1))
    assert 1 == scene.waiting()
