"""How a failing item is isolated (consumers/batches/poison.py)."""

from collections.abc import Mapping, Sequence

import psycopg
import pytest
from psycopg import errors

from consumers.batches.poison import RETRIES, SLOW_ATTEMPTS, Poison, PoisonPolicy, PoisonStorm, RetryBatch
from infra.postgres.messaging.offsets import FencedOut


class Store:
    """Transactions over numbers. `fails`: number -> the error that a transaction with this number raises. A transaction
    of more than `most` numbers takes too long."""

    def __init__(self, fails: Mapping[int, Exception] | None = None, most: int = 1000) -> None:
        self.fails = fails or {}
        self.most = most
        self.done: list[int] = []
        self.excluded: dict[int, str] = {}
        self.sizes: list[int] = []

    def transact(self, items: Sequence[int], excluded: Mapping[int, str]) -> None:
        self.sizes.append(len(items))
        good = [item for index, item in enumerate(items) if index not in excluded]
        if len(good) > self.most:
            raise errors.QueryCanceled
        for item in good:
            if item in self.fails:
                raise self.fails[item]
        self.done += good
        self.excluded |= {items[index]: reason for index, reason in excluded.items()}


def test_a_batch_that_takes_too_long_is_made_smaller_and_grows_again() -> None:
    """One that was too large by far would otherwise be tried in vain for ever."""
    store = Store(most=70)
    PoisonPolicy().process(range(500), store.transact)
    assert (list(range(500)), {}) == (store.done, store.excluded)
    assert len(store.sizes) < 30


def test_an_item_that_alone_takes_too_long_fails_alone() -> None:
    store = Store({3: errors.QueryCanceled()})
    PoisonPolicy().process(range(20), store.transact)
    assert ([n for n in range(20) if n != 3], {3: "SQLSTATE 57014"}) == (store.done, store.excluded)
    assert 1 <= store.sizes.count(1) <= SLOW_ATTEMPTS + 2


def test_an_item_that_took_too_long_once_is_not_poison() -> None:
    """The process was suspended, for example."""

    class Suspended(Store):
        def transact(self, items: Sequence[int], excluded: Mapping[int, str]) -> None:
            if len(self.sizes) < SLOW_ATTEMPTS - 1:
                self.sizes.append(len(items))
                raise errors.IdleInTransactionSessionTimeout
            super().transact(items, excluded)

    store = Suspended()
    PoisonPolicy().process([7], store.transact)
    assert ([7], {}) == (store.done, store.excluded)


def test_an_item_that_others_are_always_faster_with_fails_alone_after_a_minute() -> None:
    """For example, the rows that it needs do not fit together. It must not keep its partition waiting for ever."""
    store, paused = Store({3: RetryBatch()}), list[float]()
    PoisonPolicy(pause=paused.append).process(range(20), store.transact)
    reason = "others had locked or changed its rows each time"
    assert ([n for n in range(20) if n != 3], {3: reason}) == (store.done, store.excluded)
    assert 45 < sum(paused) < 120


def test_an_item_that_finds_its_rows_locked_for_a_while_is_not_poison() -> None:
    class Contended(Store):
        def transact(self, items: Sequence[int], excluded: Mapping[int, str]) -> None:
            if len(self.sizes) < SLOW_ATTEMPTS * RETRIES - 1:
                self.sizes.append(len(items))
                raise RetryBatch
            super().transact(items, excluded)

    store, paused = Contended(), list[float]()
    PoisonPolicy(pause=paused.append).process([7], store.transact)
    assert ([7], {}) == (store.done, store.excluded)
    assert 30 < sum(paused), "longer than a session may be idle with a lock"


@pytest.mark.parametrize("error", [psycopg.OperationalError(), FencedOut("moved")])
def test_what_no_item_is_to_blame_for_excludes_none(error: Exception) -> None:
    store = Store({5: error})
    with pytest.raises(type(error)):
        PoisonPolicy().process(range(10), store.transact)
    assert ([], {}, [10]) == (store.done, store.excluded, store.sizes)


def test_a_storm_names_its_origin_and_does_not_count_against_others() -> None:
    policy = PoisonPolicy(per_minute=2, origin=lambda item: "odd" if item % 2 else "even")
    store = Store(dict.fromkeys([1, 3, 5], errors.UniqueViolation()))
    with pytest.raises(PoisonStorm) as storm:
        policy.process(range(8), store.transact)
    assert "odd" == storm.value.origin

    store = Store(dict.fromkeys([2, 4], errors.UniqueViolation()))
    policy.process([0, 2, 4, 6], store.transact)
    assert [2, 4] == list(store.excluded)


def test_what_is_wrong_by_its_senders_doing_is_never_a_storm() -> None:
    items = [f"item {n}" for n in range(50)]
    excluded: list[int] = []

    def transact(records: Sequence[str], wrong: Mapping[int, str]) -> None:
        if left := [record for index, record in enumerate(records) if index not in wrong]:
            raise Poison(left[0], "not as agreed")
        excluded.extend(wrong)

    PoisonPolicy(per_minute=1).process(items, transact)
    assert list(range(50)) == excluded


def test_a_defect_of_the_schema_excludes_nothing() -> None:
    store = Store(dict.fromkeys(range(4), errors.UndefinedTable()))
    with pytest.raises(PoisonStorm, match=r"a defect of the program \(SQLSTATE 42P01\)"):
        PoisonPolicy().process(range(4), store.transact)
    assert {} == store.excluded
