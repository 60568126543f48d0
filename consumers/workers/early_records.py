"""Processes records that came too early: they named a conversation that another partition was still to bring. If it is
still unknown when the watermark of every inbound partition has passed the record's arrival, the record is a dead letter
(architecture.md, P4)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from threading import Event as Flag
from time import monotonic
from typing import Any

import psycopg
from psycopg import Connection

from consumers.batches.batch_loop import Handler
from consumers.batches.leftover import NO_CONVERSATION, dead_letter
from consumers.batches.poison import PoisonPolicy
from consumers.workers.progress.inbound_progress import UnreadBacklog
from consumers.workers.progress.stall_detector import StallDetector
from consumers.workers.worker_loop import WorkerLoop
from domain.topics import Topics
from infra.kafka.consumer import BrokerUnreachable, IncomingRecord
from infra.postgres.messaging import early_records
from infra.postgres.messaging.dead_letters import store_dead_letters
from infra.postgres.messaging.early_records import EarlyRecord
from infra.postgres.messaging.offsets import inbound_watermark, started_partitions

BATCH = 500

_IDLE_SECONDS = 1.0
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class EarlyRecords:
    """Processes early records until stopped. Runs beside the batch loops, which have moved on meanwhile.

    `transaction`, `handler`, `poison`: as for the batch loop. `stalled_seconds`, `clock`: as for `StallDetector`;
    partitions that make no progress for so long are not waited for. `backlog`: None where there is no broker."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection[Any]]],
        topics: Topics,
        handler: Handler,
        poison: PoisonPolicy,
        stalled_seconds: float = 600,
        backlog: UnreadBacklog | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._transaction = transaction
        self._topics = topics
        self._handler = handler
        self._poison = poison
        self._backlog = backlog
        self._stalls = StallDetector(stalled_seconds, clock)
        self._loop = WorkerLoop("early_records", self._poll)

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the loop from working, for /readyz; None: nothing."""
        return self._loop.not_ready_reason()

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        self._loop.run(stop)

    def _poll(self, _: Flag) -> float:
        try:
            return 0.0 if self.process() == BATCH else _IDLE_SECONDS
        except psycopg.Error:
            self._stalls.reset()
            raise

    def process(self) -> int:
        """Processes at most `BATCH` records whose conversation is known by now, and makes those dead letters that no
        partition can explain any more. Returns how many. Raises PoisonStorm, psycopg errors."""
        with self._transaction() as connection:
            watermark = inbound_watermark(connection, self._topics.inbound, self._stalls.stalled())
            found = early_records.decidable(connection, watermark, BATCH)
            started = started_partitions(connection, self._topics.inbound) if found else set()
        if not found:
            return 0
        if self._is_unread(started):
            watermark = _NEVER
        done = 0

        def transact(records: Sequence[IncomingRecord], excluded: Mapping[int, str]) -> None:
            nonlocal done
            reasons = {records[index][:4]: reason for index, reason in excluded.items()}
            done += self._transact([early_of[record[:4]] for record in records], reasons, watermark)

        early_of = {record[:4]: record for record in found}
        self._poison.process([_incoming(record) for record in found], transact)
        return done

    def _is_unread(self, started: Collection[int]) -> bool:
        """Returns whether records may wait in partitions that no consumer has started to read."""
        try:
            return self._backlog is not None and bool(self._backlog.beyond(started))
        except BrokerUnreachable:
            return True

    def _transact(self, records: Sequence[EarlyRecord], excluded: Mapping[Any, str], watermark: datetime) -> int:
        """Processes the records in a transaction; returns how many of them wait no longer."""
        with self._transaction() as connection:
            here = early_records.lock(connection, records)
            dead_letters = [dead_letter(_incoming(r), excluded[r[:4]]) for r in here if r[:4] in excluded]
            good = [_incoming(record) for record in here if record[:4] not in excluded]
            waiting = set[Any]()
            if good:
                leftover = self._handler.apply(connection, good)
                dead_letters += leftover.dead_letters
                for early in leftover.early:
                    if early.received_at < watermark:
                        dead_letters.append(dead_letter(_incoming(early), NO_CONVERSATION))
                    else:
                        waiting.add(early[:4])
            store_dead_letters(connection, dead_letters)
            done = [record for record in here if record[:4] not in waiting]
            early_records.delete(connection, done)
        return len(done)


def _incoming(record: EarlyRecord) -> IncomingRecord:
    return IncomingRecord(record.topic, record.partition, record.offset, record.received_at, record.raw, ())
