"""The `relay`: the only process that publishes what the outbox holds (architecture.md, P6). At least once, and the
records of one key in order.

One at a time: the relay holds an advisory lock on the connection with which it reads and deletes; the others stand by.
The session dies when it is idle for ten seconds, so a relay that was stopped loses the lock to another one.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Event as Flag
from time import monotonic
from typing import Any, Protocol

from prometheus_client import Counter, Gauge
from psycopg import Connection

from consumers.workers.worker_loop import WorkerLoop
from domain.ports import OutgoingRecord
from infra.postgres.messaging.outbox import Outbox, OutboxRow
from infra.process.backoff import Backoff
from infra.process.crash_points import crash_point

BATCH = 1000
"""Records of one round."""

IDLE_SESSION_SECONDS = 10
"""A stopped relay's lock is free after this."""

_REST_SECONDS = 0.02
"""Of all the time from a command to its result this is the most, and a look into an empty outbox costs 0.1 ms."""
_STANDBY_SECONDS = 1.0
_SETTLED_SECONDS = 60.0
"""A transaction may commit rows with lower ids than those that were published already, but not this much later."""
_FROM_ZERO_SECONDS = 10.0
"""How often the whole table is looked through all the same; dead rows make that cost up to 41 ms."""
_LOCK = 0x77697469  # "witi"

_PUBLISHED = Counter("witiop_relay_published", "Records published from the outbox.")
_FAILED = Counter("witiop_relay_failed", "Records that the broker did not acknowledge; they are sent again.")
_AGE = Gauge("witiop_outbox_oldest_seconds", "How long the oldest record has waited in the outbox; 0: none waits.")


class KeyOrderedPublisher(Protocol):
    """A publisher that keeps the order of each key and tells what was acknowledged."""

    def publish(self, records: Sequence[OutgoingRecord]) -> list[bool]: ...

    def close(self) -> None: ...


class LowWaterMark:
    """The id from which the outbox is read: the highest that was deleted long enough ago, or 0 now and then."""

    def __init__(self) -> None:
        self._deleted: deque[tuple[float, int]] = deque()
        self._low = 0
        self._zero_at = 0.0

    def id(self, now: float) -> int:
        """`now` in seconds of a clock that only goes forward."""
        while self._deleted and self._deleted[0][0] < now - _SETTLED_SECONDS:
            self._low = max(self._low, self._deleted.popleft()[1])
        if now >= self._zero_at:
            self._zero_at = now + _FROM_ZERO_SECONDS
            return 0
        return self._low

    def deleted(self, highest: int, now: float) -> None:
        """These were published and are gone."""
        self._deleted.append((now, highest))


class Relay:
    """Publishes until stopped. `connect`: a new session in autocommit mode; raises psycopg errors."""

    def __init__(self, connect: Callable[[], Connection[Any]], publisher: KeyOrderedPublisher) -> None:
        self._connect = connect
        self._publisher = publisher
        self._low = LowWaterMark()
        self._trouble: str | None = None
        self._rounds = WorkerLoop("relay", self._session)

    def not_ready_reason(self) -> str | None:
        """What keeps it from working, for /readyz; None: nothing (standing by is work)."""
        return self._rounds.not_ready_reason() or self._trouble

    def run(self, stop: Flag) -> None:
        """Returns when `stop` is set. Raises what is our own defect."""
        self._rounds.run(stop)
        self._publisher.close()

    def _session(self, stop: Flag) -> float:
        with self._connect() as session:
            session.execute("select set_config('idle_session_timeout', %s, false)", [f"{IDLE_SESSION_SECONDS}s"])
            self._rounds.reached()
            self._serve(session, stop)
        return 0.0

    def _serve(self, session: Connection[Any], stop: Flag) -> None:
        self._trouble = None
        while not stop.is_set() and not self._is_mine(session):
            stop.wait(_STANDBY_SECONDS)
        backoff = Backoff()
        while not stop.is_set():
            queued, published = self.round(Outbox(session))
            if published < queued:
                self._trouble = "the broker does not take the events"
                stop.wait(min(backoff.next(), IDLE_SESSION_SECONDS / 2))
                continue
            self._trouble = None
            backoff.reset()
            if queued < BATCH:
                stop.wait(_REST_SECONDS)

    def _is_mine(self, session: Connection[Any]) -> bool:
        row = session.execute("select pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
        return row is not None and bool(row[0])

    def round(self, outbox: Outbox) -> tuple[int, int]:
        """Publishes at most `BATCH` records; returns how many there were and how many were acknowledged and deleted."""
        queued = outbox.read(self._low.id(monotonic()), BATCH)
        _AGE.set(max((one.age for one in queued), default=0))
        if not queued:
            return 0, 0
        acknowledged = self._publisher.publish([_record(q) for q in queued])
        crash_point("relay.after-publish-before-mark")
        gone = _in_order(queued, acknowledged)
        if gone:
            outbox.delete(gone)
            self._low.deleted(max(gone), monotonic())
        _PUBLISHED.inc(len(gone))
        _FAILED.inc(len(queued) - len(gone))
        return len(queued), len(gone)


def _in_order(queued: Sequence[OutboxRow], acknowledged: Sequence[bool]) -> list[int]:
    """The ids that may go: acknowledged, and nothing of their key before them is missing."""
    stuck: set[str] = set()
    gone: list[int] = []
    for one, done in zip(queued, acknowledged, strict=True):
        if done and one.record.key not in stuck:
            gone.append(one.id)
        else:
            stuck.add(one.record.key)
    return gone


def _record(queued: OutboxRow) -> OutgoingRecord:
    out = queued.record
    return OutgoingRecord(
        out.topic, out.key, out.value, [(name, value.encode()) for name, value in out.headers.items()]
    )
