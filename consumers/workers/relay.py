"""The `relay`: the only process that publishes the outbox (architecture.md, P6), at least once, and the records of one
key in order.

One relay works at a time: it holds an advisory lock on the connection with which it reads and deletes; the others stand
by. PostgreSQL ends the session after ten idle seconds, so a relay that hangs loses the lock to another one.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Event as Flag
from time import monotonic
from typing import Any, Protocol

import structlog
from prometheus_client import Counter, Gauge
from psycopg import Connection

from consumers.batches.traced import TracedPublishing
from consumers.workers.worker_loop import WorkerLoop
from domain.ports import Delivery, OutgoingRecord
from infra.postgres.messaging.outbox import Outbox, OutboxRow
from infra.process.backoff import Backoff
from infra.process.crash_points import crash_point
from infra.process.readiness import every_reason
from infra.process.traces import Traces

BATCH = 1000
"""Records of one poll."""

BATCH_BYTES = 8 * 1024**2
"""No more is read in one poll after records that hold as much together."""

IDLE_SESSION_SECONDS = 10
"""The lock of a relay that hangs is free after this."""

_PACE_SECONDS = 0.02
"""Between two polls while there is something to publish: a poll costs some milliseconds however little it publishes."""
_IDLE_SECONDS = 0.5
"""Until an empty outbox is read again although nobody has told that records were added: a hint may be lost."""
_STANDBY_SECONDS = 1.0
_SETTLED_SECONDS = 60.0
"""A transaction may commit rows with lower ids than rows that were published already, but not this much later."""
_FROM_ZERO_SECONDS = 10.0
"""How often the whole table is read all the same; dead rows make that cost up to 41 ms."""
_LOCK = 0x77697469  # "witi"

log = structlog.get_logger("relay")

_PUBLISHED = Counter("witiop_relay_published", "Records published from the outbox.")
_FAILED = Counter("witiop_relay_failed", "Records that the broker did not acknowledge; they are published again.")
_REFUSED = Counter("witiop_relay_dead_letters", "Records that can never be published; they became dead letters.")
_AGE = Gauge("witiop_outbox_oldest_seconds", "Age of the oldest record in the outbox; 0: the outbox is empty.")


class KeyOrderedPublisher(Protocol):
    """A publisher that keeps the order of each key and returns what became of each record."""

    def publish(self, records: Sequence[OutgoingRecord]) -> list[Delivery]: ...

    def close(self) -> None: ...


class LowWaterMark:
    """The id from which the outbox is read: the highest id that was deleted long enough ago, or 0 every ten seconds."""

    def __init__(self) -> None:
        self._deleted: deque[tuple[float, int]] = deque()
        self._low = 0
        self._zero_at = 0.0

    def id(self, now: float) -> int:
        """Returns the id. `now`: seconds of a clock that only increases."""
        while self._deleted and self._deleted[0][0] < now - _SETTLED_SECONDS:
            self._low = max(self._low, self._deleted.popleft()[1])
        if now >= self._zero_at:
            self._zero_at = now + _FROM_ZERO_SECONDS
            return 0
        return self._low

    def deleted(self, highest: int, now: float) -> None:
        """Notes that the rows up to `highest` were published and deleted at `now`."""
        self._deleted.append((now, highest))


class Relay:
    """Publishes until stopped. `connect`: opens a session in autocommit mode; raises psycopg errors. `traces`: None if
    they are off."""

    def __init__(
        self, connect: Callable[[], Connection[Any]], publisher: KeyOrderedPublisher, traces: Traces | None = None
    ) -> None:
        self._traces = traces
        self._connect = connect
        self._publisher = publisher
        self._low = LowWaterMark()
        self._not_ready: str | None = None
        self._loop = WorkerLoop("relay", self._session)

    def not_ready_reason(self) -> str | None:
        """Returns what keeps the relay from working, for /readyz; None: nothing (standing by counts as working)."""
        return every_reason(self._loop.not_ready_reason(), self._not_ready)

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises whatever is a defect of ours."""
        self._loop.run(stop)
        self._publisher.close()

    def _session(self, stop: Flag) -> float:
        with self._connect() as session:
            session.execute("select set_config('idle_session_timeout', %s, false)", [f"{IDLE_SESSION_SECONDS}s"])
            self._loop.reached()
            self._serve(session, stop)
        return 0.0

    def _serve(self, session: Connection[Any], stop: Flag) -> None:
        self._not_ready = None
        while not stop.is_set() and not self._has_lock(session):
            stop.wait(_STANDBY_SECONDS)
        backoff, outbox = Backoff(), Outbox(session)
        outbox.listen()
        while not stop.is_set():
            queued, published = self.poll(outbox)
            if published < queued:
                self._not_ready = "the broker does not accept the events"
                stop.wait(min(backoff.next(), IDLE_SESSION_SECONDS / 2))
                continue
            self._not_ready = None
            backoff.reset()
            if 0 < queued < BATCH:
                stop.wait(_PACE_SECONDS)
            elif not queued:
                outbox.wait(_IDLE_SECONDS)

    def _has_lock(self, session: Connection[Any]) -> bool:
        row = session.execute("select pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
        return row is not None and bool(row[0])

    def poll(self, outbox: Outbox) -> tuple[int, int]:
        """Publishes what one poll reads; returns how many there were and how many are done: acknowledged, or dead
        letters because they can never be published. Those do not hold back the later records of their keys."""
        queued = outbox.read(self._low.id(monotonic()), BATCH, BATCH_BYTES)
        _AGE.set(max((row.age for row in queued), default=0))
        if not queued:
            return 0, 0
        deliveries = self._publish(queued)
        crash_point("relay.after-publish-before-mark")
        refused = [(row, d.refused) for row, d in zip(queued, deliveries, strict=True) if d.refused is not None]
        for row, why in refused:
            log.error("relay.dead_letter", topic=row.record.topic, key=row.record.key, outbox_id=row.id, reason=why)
        done = _done(queued, deliveries)
        if done:
            outbox.delete(done, refused)
            self._low.deleted(max(done), monotonic())
        _PUBLISHED.inc(len(done) - len(refused))
        _REFUSED.inc(len(refused))
        _FAILED.inc(len(queued) - len(done))
        return len(queued), len(done)

    def _publish(self, queued: Sequence[OutboxRow]) -> list[Delivery]:
        """Publishes the rows of which a record can be made, and returns what became of each."""
        with TracedPublishing(self._traces, queued) as traced:
            records = [_record(row) for row in traced.rows]
            published = iter(self._publisher.publish([record for record in records if record is not None]))
            deliveries = [_NO_RECORD if record is None else next(published) for record in records]
            traced.ended(deliveries)
        return deliveries


def _done(queued: Sequence[OutboxRow], deliveries: Sequence[Delivery]) -> list[int]:
    """Returns the ids that can be deleted: of records that can never be published, and of those that were acknowledged
    after everything before them with the same key."""
    failed_keys: set[str] = set()
    done: list[int] = []
    for row, delivery in zip(queued, deliveries, strict=True):
        if delivery.refused is not None or (delivery.acknowledged and row.record.key not in failed_keys):
            done.append(row.id)
        else:
            failed_keys.add(row.record.key)
    return done


_NO_RECORD = Delivery(False, "its headers are not a record's")


def _record(row: OutboxRow) -> OutgoingRecord | None:
    """Returns the record of a row; None if it is none, by a defect of ours."""
    out = row.record
    try:
        headers = [(name, value.encode()) for name, value in out.headers.items()]
    except (AttributeError, UnicodeError):
        return None
    return OutgoingRecord(out.topic, out.key, out.value, headers)
