"""Poison in a worker: one conversation that cannot be processed delays no other (consumers/workers/isolation.py)."""

from collections.abc import Callable, Collection, Sequence
from time import monotonic
from uuid import UUID

import psycopg
import pytest

from consumers.batches.poison import WHOLE_BATCH, PoisonPolicy, PoisonStorm
from consumers.workers.isolation import Due, Isolation, of_conversation
from domain.ids import ConversationId, CustomerId


def due(number: int) -> Due:
    return ConversationId(UUID(int=number)), CustomerId(UUID(int=1000 + number))


class Database:
    """Transactions that fail if they hold one of the `bad` conversations."""

    def __init__(self, *bad: int, error: Exception | None = None) -> None:
        self.bad = {due(number) for number in bad}
        self.error = error or psycopg.errors.UniqueViolation()
        self.committed: list[Due] = []
        self.transactions = 0

    def transact(self, items: Sequence[Due]) -> None:
        self.transactions += 1
        if self.bad & set(items):
            raise self.error
        self.committed += items


class FakeParkingList:
    """What is parked, in memory."""

    def __init__(self) -> None:
        self.worker = "timer"
        self.items: dict[UUID, str] = {}

    def add(self, item: UUID, reason: str, seconds: float) -> None:
        self.items[item] = reason

    def remove(self, items: Collection[UUID]) -> None:
        for item in items:
            del self.items[item]


def isolation(parking_list: FakeParkingList | None = None, clock: Callable[[], float] = monotonic) -> Isolation[Due]:
    return Isolation(parking_list or FakeParkingList(), of_conversation, PoisonPolicy(), clock=clock)


def test_conversations_without_poison_share_one_transaction() -> None:
    database = Database()
    isolation().process([due(n) for n in range(100)], database.transact)
    assert (1, 100) == (database.transactions, len(database.committed))


def test_one_conversation_that_cannot_be_processed_is_parked_and_the_others_proceed_in_order() -> None:
    database = Database(7)
    isolation().process([due(n) for n in range(20)], database.transact)
    assert [due(n) for n in range(20) if n != 7] == database.committed


def test_a_parked_conversation_is_left_alone_and_tried_again_later() -> None:
    moments, parking_list = [0.0], FakeParkingList()
    worker, database = isolation(parking_list, clock=lambda: moments[0]), Database(1)
    worker.process([due(1), due(2)], database.transact)
    database.bad, before = set(), database.transactions
    assert {due(1)[0]} == worker.parked() == parking_list.items.keys()
    assert "1 parked (SQLSTATE 23505); see witiop doctor" == worker.not_ready_reason()

    moments[0] = 599
    worker.process([due(1)], database.transact)
    assert before == database.transactions

    moments[0] = 600
    worker.process([due(1)], database.transact)
    assert [due(2), due(1)] == database.committed
    assert (set(), {}, None) == (worker.parked(), parking_list.items, worker.not_ready_reason())


def test_a_conversation_that_takes_too_long_even_alone_is_parked_and_the_others_proceed() -> None:
    database, worker = Database(7, error=psycopg.errors.QueryCanceled()), isolation()
    worker.process([due(n) for n in range(20)], database.transact)
    assert [due(n) for n in range(20) if n != 7] == database.committed
    assert {due(7)[0]} == worker.parked()


def test_a_conversation_that_the_program_fails_on_is_parked_and_the_others_proceed() -> None:
    database, worker = Database(7, error=ValueError("a stored value that nobody can read")), isolation()
    worker.process([due(n) for n in range(20)], database.transact)
    assert [due(n) for n in range(20) if n != 7] == database.committed
    assert "1 parked (ValueError); see witiop doctor" == worker.not_ready_reason()


def test_where_every_conversation_fails_the_defect_is_ours_and_none_is_parked() -> None:
    database = Database(*range(WHOLE_BATCH), error=psycopg.errors.NotNullViolation())
    worker = isolation()
    everything = [due(n) for n in range(WHOLE_BATCH)]
    with pytest.raises(PoisonStorm):
        worker.process(everything, database.transact)
    database.bad = set()
    worker.process(everything, database.transact)
    assert everything == database.committed


def test_an_unreachable_database_is_not_poison() -> None:
    database = Database(1, error=psycopg.OperationalError())
    with pytest.raises(psycopg.OperationalError):
        isolation().process([due(1), due(2)], database.transact)
    assert [] == database.committed
