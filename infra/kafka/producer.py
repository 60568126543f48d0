"""The Kafka publisher, which implements P1 of the architecture.

A caller waits for every record, so the wait doubles as a watchdog: a record that is neither acknowledged nor failed
when its caller gives up, after kafka-python's own delivery timeout, means that the producer is stuck, and it is
replaced. Every record in a producer's memory is counted here, so an outage of any length needs no more memory than
`PublishLimits` allows.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError, RecordListTooLargeError

from domain.ports import OutgoingRecord, PublishFailed, RecordPosition, RecordTooLarge
from infra.kafka.config import KafkaConfig
from infra.kafka.faults import kafka_fault
from infra.kafka.producer_client import DELIVERY_SECONDS, KafkaProducerClient, PendingSend, ProducerClient

log = structlog.get_logger()

CHECK_SECONDS = 1.0
"""Pause between two readiness checks at the broker."""
_STALE_SECONDS = 10.0
_CLOSE_SECONDS = 1.0
_SETTLE_SECONDS = 0.2
_TOO_LARGE = (MessageSizeTooLargeError.__name__, RecordListTooLargeError.__name__)


@dataclass(frozen=True, slots=True)
class PublishLimits:
    """Limits for what may wait for acknowledgement at the same time: calls of `publish`, records, and bytes of their
    values. Keep `calls` below the number of threads that call `publish`, so that some are free to reject requests. A
    call beyond the limits waits for room, as long as its deadline leaves the broker DELIVERY_SECONDS."""

    calls: int = 48
    records: int = 20_000
    bytes: int = 64 * 1024 * 1024


class KafkaPublisher:
    """A `domain.ports.Publisher`. Connects in the background, so it can be created before the broker is up. Create it
    after a fork, because its threads do not survive one. `publish` is thread-safe."""

    def __init__(
        self,
        config: KafkaConfig,
        topics: Sequence[str],
        limits: PublishLimits | None = None,
        connect: Callable[[KafkaConfig, Sequence[str]], ProducerClient] = KafkaProducerClient,
    ) -> None:
        """`topics`: those that records are sent to. `connect` blocks for a few seconds at most and raises when no
        broker answers."""
        self._connect = partial(connect, config, tuple(topics))
        self._room = _Room(limits or PublishLimits())
        self._lock = threading.Lock()
        self._client: ProducerClient | None = None
        self._reasons: Sequence[str] = ("kafka: not connected yet",)
        self._checked_at = time.monotonic()
        self._wake = threading.Event()
        self._closing = False
        threading.Thread(target=self._run_checks, name="kafka-publisher", daemon=True).start()

    def publish(self, records: Sequence[OutgoingRecord], deadline_seconds: float) -> list[RecordPosition]:
        """See the port. With a deadline below DELIVERY_SECONDS, a slow broker is mistaken for a stuck producer."""
        until = time.monotonic() + deadline_seconds
        spare = max(0.0, deadline_seconds - DELIVERY_SECONDS - _SETTLE_SECONDS)
        with self._room.reserved(len(records), sum(len(record.value) for record in records), spare):
            if (client := self._client) is None:
                raise PublishFailed("kafka: not connected yet")
            pending, not_sent = self._send(client, records, until)
            positions, failure = self._wait_for(client, pending, until)
            if reason := not_sent or failure:
                raise (RecordTooLarge if reason in _TOO_LARGE else PublishFailed)(f"kafka: {reason}")
            return positions

    def not_ready_reasons(self) -> Sequence[str]:
        """Returns the result of the last check at the broker. A check that hangs counts as no answer. Never blocks."""
        if time.monotonic() - self._checked_at > _STALE_SECONDS:
            return ("kafka: no answer",)
        return self._reasons

    def close(self) -> None:
        """Disconnects. Blocks for about a second at most. Records that are not acknowledged by then fail."""
        with self._lock:
            self._closing = True
            client, self._client = self._client, None
        self._wake.set()
        if client is not None:
            client.end(_CLOSE_SECONDS)

    def _send(
        self, client: ProducerClient, records: Sequence[OutgoingRecord], until: float
    ) -> tuple[Sequence[PendingSend], str | None]:
        """Returns the records that were handed over and, if one failed, the name of the error that stopped the rest."""
        pending: list[PendingSend] = []
        try:
            for record in records:
                if time.monotonic() > until:
                    raise KafkaTimeoutError("too many records for the deadline")
                pending.append(client.send(record))
        except Exception as error:  # besides its own errors, kafka-python raises ValueError for a deleted topic
            return pending, type(error).__name__
        return pending, None

    def _wait_for(
        self, client: ProducerClient, pending: Sequence[PendingSend], until: float
    ) -> tuple[list[RecordPosition], str | None]:
        """Waits until every record is acknowledged or has failed. Returns the positions of the acknowledged records and
        the name of the first failure. Replaces the client if a record is still pending at the deadline."""
        positions: list[RecordPosition] = []
        failure: str | None = None
        for future in pending:
            try:
                acknowledged = future.get(timeout=max(0.0, until - time.monotonic()))
                positions.append(RecordPosition(acknowledged.partition, acknowledged.offset))
            except KafkaError as error:
                failure = failure or type(error).__name__
                if kafka_fault(error) == "client":
                    self._replace(client)
                # Breaks a reference cycle: the future holds the error, the error holds this frame and its callers, and
                # they hold the body and the future. The cycle would live until the garbage collector runs, which counts
                # objects, not bytes: while a broker was frozen, bodies of 3 MB held half a gigabyte this way.
                error.__traceback__ = None
        if not all(future.is_done for future in pending):
            self._replace(client)
        return positions, failure

    def _replace(self, client: ProducerClient) -> None:
        with self._lock:
            if self._client is not client:
                return
            self._client = None
        log.warning("kafka.producer_replaced")
        threading.Thread(target=client.end, args=(0.0,), name="kafka-publisher-end", daemon=True).start()
        self._wake.set()

    def _run_checks(self) -> None:
        while not self._closing:
            self._wake.clear()
            try:
                reasons = self._check()
            except Exception as error:  # the next check may succeed, whatever kafka-python raised
                reasons = (f"kafka: {type(error).__name__}",)
            if reasons != self._reasons:
                log.info("kafka.publisher_readiness", not_ready=reasons)
            self._reasons, self._checked_at = reasons, time.monotonic()
            self._wake.wait(CHECK_SECONDS)

    def _check(self) -> Sequence[str]:
        client = self._client
        if client is None:
            client = self._connect()
            with self._lock:
                self._client = None if self._closing else client
            if self._client is None:  # closed meanwhile: no other reference to this client exists
                client.end(0.0)
        return client.not_ready_reasons()


class _Room:
    """Counts the calls, records and bytes that wait for the broker, and keeps them within `PublishLimits`."""

    def __init__(self, limits: PublishLimits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._calls = self._records = self._bytes = 0

    @contextmanager
    def reserved(self, records: int, size: int, seconds: float) -> Iterator[None]:
        """Reserves room for one call until the block ends. Raises PublishFailed when there is no room within `seconds`,
        and at once for a call that can never fit."""
        with self._changed:
            fits = partial(self._fits, records, size)
            if not fits() and not (self._calls and self._changed.wait_for(fits, seconds)):
                raise PublishFailed("too many records are waiting for kafka")
            self._add(1, records, size)
        try:
            yield
        finally:
            with self._changed:
                self._add(-1, -records, -size)
                self._changed.notify_all()

    def _fits(self, records: int, size: int) -> bool:
        limits = self._limits
        return (
            self._calls < limits.calls
            and self._records + records <= limits.records
            and self._bytes + size <= limits.bytes
        )

    def _add(self, calls: int, records: int, size: int) -> None:
        self._calls += calls
        self._records += records
        self._bytes += size
