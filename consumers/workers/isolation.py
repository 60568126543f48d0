"""Isolation of poison in workers: one conversation that cannot be processed does not keep the others waiting."""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic

import structlog
from prometheus_client import Counter

from consumers.batches.poison import PoisonPolicy
from domain.ids import ConversationId, CustomerId

Due = tuple[ConversationId, CustomerId]
"""A conversation that a worker found to be due, and its customer."""

_PARKED = Counter("witiop_worker_parked", "Conversations that could not be processed and were parked.", ["worker"])

log = structlog.get_logger("worker")


class Isolation:
    """Processes conversations of one worker under the poison policy of the consumers, and parks what is poison: the
    worker leaves it alone for `parked_seconds`. Parked conversations are kept in memory; a new process tries them."""

    def __init__(
        self,
        worker: str,
        poison: PoisonPolicy | None = None,
        parked_seconds: float = 600,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._worker = worker
        self._poison = poison or PoisonPolicy()
        self._parked_seconds = parked_seconds
        self._clock = clock
        self._parked_until: dict[ConversationId, float] = {}

    def process(self, due: Sequence[Due], transact: Callable[[Sequence[Due]], None]) -> None:
        """Processes what is due and not parked, in one transaction if none of it is poison. `transact` processes its
        argument in a transaction of its own. Raises PoisonStorm, psycopg errors that are not poison."""
        now = self._clock()
        self._parked_until = {id_: until for id_, until in self._parked_until.items() if until > now}

        def without_poison(items: Sequence[Due], excluded: Mapping[int, str]) -> None:
            good = [item for index, item in enumerate(items) if index not in excluded]
            if good:
                transact(good)
            for index, reason in excluded.items():
                self._park(items[index][0], reason)

        self._poison.process([item for item in due if item[0] not in self._parked_until], without_poison)

    def _park(self, conversation: ConversationId, reason: str) -> None:
        self._parked_until[conversation] = self._clock() + self._parked_seconds
        _PARKED.labels(self._worker).inc()
        log.error("worker.parked", worker=self._worker, conversation_id=str(conversation), reason=reason)
