"""Poison in a worker: one conversation that cannot be processed delays no other (consumers/workers/isolation.py)."""

from collections.abc import Sequence
from uuid import UUID

import psycopg
import pytest

from consumers.batches.poison import WHOLE_BATCH, PoisonPolicy, PoisonStorm
from consumers.workers.isolation import Due, Isolation
from domain.ids import ConversationId, CustomerId


def due(number: int) -> Due:
    return ConversationId(UUID(int=number)), CustomerId(UUID(int=1000 + number))


class Database:
    """Transactions that fail if they hold one of the `bad` conversations."""

    def __init__(self, *bad: int, error: psycopg.Error | None = None) -> None:
        self.bad = {due(number) for number in bad}
        self.error = error or psycopg.errors.UniqueViolation()
        self.committed: list[Due] = []
        self.transactions = 0

    def transact(self, items: Sequence[Due]) -> None:
        self.transactions += 1
        if self.bad & set(items):
            raise self.error
        self.committed += items


def test_conversations_without_poison_share_one_transaction() -> None:
    database = Database()
    Isolation("timer").process([due(n) for n in range(100)], database.transact)
    assert (1, 100) == (database.transactions, len(database.committed))


def test_one_conversation_that_cannot_be_processed_is_parked_and_the_others_proceed_in_order() -> None:
    database = Database(7)
    Isolation("timer").process([due(n) for n in range(20)], database.transact)
    assert [due(n) for n in range(20) if n != 7] == database.committed


def test_a_parked_conversation_is_left_alone_and_tried_again_later() -> None:
    moments = [0.0]
    isolation, database = Isolation("timer", parked_seconds=600, clock=lambda: moments[0]), Database(1)
    isolation.process([due(1), due(2)], database.transact)
    database.bad, before = set(), database.transactions

    moments[0] = 599
    isolation.process([due(1)], database.transact)
    assert before == database.transactions

    moments[0] = 600
    isolation.process([due(1)], database.transact)
    assert [due(2), due(1)] == database.committed


def test_where_every_conversation_fails_the_defect_is_ours_and_none_is_parked() -> None:
    database = Database(*range(WHOLE_BATCH), error=psycopg.errors.NotNullViolation())
    isolation = Isolation("routing", PoisonPolicy(per_minute=20))
    everything = [due(n) for n in range(WHOLE_BATCH)]
    with pytest.raises(PoisonStorm):
        isolation.process(everything, database.transact)
    database.bad = set()
    isolation.process(everything, database.transact)
    assert everything == database.committed


def test_an_unreachable_database_is_not_poison() -> None:
    database = Database(1, error=psycopg.OperationalError())
    with pytest.raises(psycopg.OperationalError):
        Isolation("timer").process([due(1), due(2)], database.transact)
    assert [] == database.committed
