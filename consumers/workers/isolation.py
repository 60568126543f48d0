"""Isolation of poison in workers: one conversation or mail that cannot be processed does not keep the others waiting,
and the worker goes on."""

from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import structlog
from prometheus_client import Counter

from consumers.batches.poison import PoisonPolicy
from domain.ids import ConversationId, CustomerId
from infra.process.metrics import count_from_zero

Due = tuple[ConversationId, CustomerId]
"""A conversation that a worker found to be due, and its customer."""

Work = TypeVar("Work")

_PARKED = Counter(
    "witiop_worker_parked", "Conversations and mails that could not be processed and were parked.", ["worker"]
)

PARKED_SECONDS = 600

log = structlog.get_logger("worker")


def of_conversation(due: Due) -> UUID:
    """Returns the id under which a due conversation is parked."""
    return due[0]


class ParkingList(Protocol):
    """What one worker has parked, for people. The methods raise psycopg errors."""

    @property
    def worker(self) -> str: ...

    def add(self, item: UUID, reason: str, seconds: float) -> None: ...

    def remove(self, items: Collection[UUID]) -> None: ...


class Isolation(Generic[Work]):
    """Processes items of one worker under the poison policy of the consumers, and parks what is poison: the worker
    leaves it alone for `PARKED_SECONDS`. When that is over is kept in memory, so a new process tries everything; people
    read the parking list. `id_of`: the id of an item."""

    def __init__(
        self,
        parking_list: ParkingList,
        id_of: Callable[[Work], UUID],
        poison: PoisonPolicy | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._parking_list = parking_list
        self._id_of = id_of
        self._poison = poison or PoisonPolicy()
        self._clock = clock
        self._parked_until: dict[UUID, float] = {}
        self._reasons: dict[UUID, str] = {}
        count_from_zero(_PARKED, [parking_list.worker])

    def not_ready_reason(self) -> str | None:
        """Returns how many items failed when they were last tried, and why, for /readyz; None: none did."""
        why = self._reasons.copy().values()
        return f"{len(why)} parked ({', '.join(sorted(set(why)))}); see witiop doctor" if why else None

    def parked(self) -> set[UUID]:
        """Returns the ids of the items that are left alone now."""
        now = self._clock()
        self._parked_until = {id_: until for id_, until in self._parked_until.items() if until > now}
        return set(self._parked_until)

    def process(self, due: Sequence[Work], transact: Callable[[Sequence[Work]], None]) -> None:
        """Processes what is due and not parked, in one transaction if none of it is poison. `transact` processes its
        argument in a transaction of its own. Raises PoisonStorm, psycopg errors that may pass."""
        parked_now = self.parked()

        def without_poison(items: Sequence[Work], excluded: Mapping[int, str]) -> None:
            good = [item for index, item in enumerate(items) if index not in excluded]
            if good:
                transact(good)
                self._processed(good)
            for index, reason in excluded.items():
                self._park(self._id_of(items[index]), reason)

        self._poison.process([item for item in due if self._id_of(item) not in parked_now], without_poison)

    def _processed(self, items: Sequence[Work]) -> None:
        again = self._reasons.keys() & {self._id_of(item) for item in items} if self._reasons else ()
        if again:
            self._parking_list.remove(again)
            for id_ in again:
                del self._reasons[id_]

    def _park(self, id_: UUID, reason: str) -> None:
        self._parked_until[id_] = self._clock() + PARKED_SECONDS
        self._reasons[id_] = reason
        _PARKED.labels(self._parking_list.worker).inc()
        log.error("worker.parked", worker=self._parking_list.worker, id=str(id_), reason=reason)
        self._parking_list.add(id_, reason, PARKED_SECONDS)
