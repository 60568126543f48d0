"""The publisher on Kafka: what keeps P1 of the architecture.

Every record has somebody who waits for it. So the waiting is also the watchdog: a record that is neither acknowledged
nor refused when its sender gives up, after kafka-python's own delivery time-out, means that the producer is wedged;
then it is replaced. Nothing is in a producer's memory that is not counted here, so an outage of any length costs no
more than `PublishLimits`.
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
from infra.kafka.link import DELIVERY_SECONDS, KafkaProducerClient, PendingSend, ProducerClient

log = structlog.get_logger()

CHECK_SECONDS = 1.0
"""Pause between two looks at the broker."""
_STALE_SECONDS = 10.0
_CLOSE_SECONDS = 1.0
_SETTLE_SECONDS = 0.2
_TOO_LARGE = (MessageSizeTooLargeError.__name__, RecordListTooLargeError.__name__)


@dataclass(frozen=True, slots=True)
class PublishLimits:
    """What may wait for acknowledgement at one time: calls of `publish` (keep it below the number of threads that
    call it, so that some are free to say no), records, and bytes of their values. What is more waits for room as long
    as its deadline leaves the broker DELIVERY_SECONDS."""

    calls: int = 48
    records: int = 20_000
    bytes: int = 64 * 1024 * 1024


class KafkaPublisher:
    """A `domain.ports.Publisher`. It connects in the background, so it can be made before the broker is there. Its
    threads do not survive a fork: make it afterwards. `publish` may be called by any number of threads."""

    def __init__(
        self,
        config: KafkaConfig,
        topics: Sequence[str],
        limits: PublishLimits | None = None,
        connect: Callable[[KafkaConfig, Sequence[str]], ProducerClient] = KafkaProducerClient,
    ) -> None:
        """`topics`: those that records go to. `connect` blocks for a few seconds at most, raises when no broker
        answers."""
        self._connect = partial(connect, config, tuple(topics))
        self._room = _Room(limits or PublishLimits())
        self._lock = threading.Lock()
        self._link: ProducerClient | None = None
        self._missing: Sequence[str] = ("kafka: not reached yet",)
        self._looked_at = time.monotonic()
        self._wake = threading.Event()
        self._closing = False
        threading.Thread(target=self._keep, name="kafka-publisher", daemon=True).start()

    def publish(self, records: Sequence[OutgoingRecord], deadline_seconds: float) -> list[RecordPosition]:
        """See the port. A deadline below DELIVERY_SECONDS takes a slow broker for a wedged producer."""
        until = time.monotonic() + deadline_seconds
        spare = max(0.0, deadline_seconds - DELIVERY_SECONDS - _SETTLE_SECONDS)
        with self._room.taken(len(records), sum(len(record.value) for record in records), spare):
            if (link := self._link) is None:
                raise PublishFailed("kafka: not reached yet")
            pending, refusal = self._send(link, records, until)
            places, failure = self._settle(link, pending, until)
            if trouble := refusal or failure:
                raise (RecordTooLarge if trouble in _TOO_LARGE else PublishFailed)(f"kafka: {trouble}")
            return places

    def not_ready_reasons(self) -> Sequence[str]:
        """What the last look at the broker found; a look that hangs counts as no answer."""
        if time.monotonic() - self._looked_at > _STALE_SECONDS:
            return ("kafka: no answer",)
        return self._missing

    def close(self) -> None:
        """End it; blocks for at most about a second. What is not acknowledged by then fails."""
        with self._lock:
            self._closing = True
            link, self._link = self._link, None
        self._wake.set()
        if link is not None:
            link.end(_CLOSE_SECONDS)

    def _send(
        self, link: ProducerClient, records: Sequence[OutgoingRecord], until: float
    ) -> tuple[Sequence[PendingSend], str | None]:
        """What could be sent, and the name of what went wrong with the rest."""
        pending: list[PendingSend] = []
        try:
            for record in records:
                if time.monotonic() > until:
                    raise KafkaTimeoutError("too many records for the deadline")
                pending.append(link.send(record))
        except Exception as error:  # besides its own errors kafka-python raises ValueError for a vanished topic
            return pending, type(error).__name__
        return pending, None

    def _settle(
        self, link: ProducerClient, pending: Sequence[PendingSend], until: float
    ) -> tuple[list[RecordPosition], str | None]:
        """Wait until every record is acknowledged or has failed; return where they stand and the first failure's
        name."""
        places: list[RecordPosition] = []
        failure: str | None = None
        for future in pending:
            try:
                told = future.get(timeout=max(0.0, until - time.monotonic()))
                places.append(RecordPosition(told.partition, told.offset))
            except KafkaError as error:
                failure = failure or type(error).__name__
                # The future keeps its error, the error this frame and its callers', they the body and the future: a
                # circle that lives until the garbage collector comes, which counts objects and not their bytes. While
                # a broker was frozen, bodies of 3 MB held half a gigabyte this way.
                error.__traceback__ = None
        if not all(future.is_done for future in pending):
            self._replace(link)
        return places, failure

    def _replace(self, link: ProducerClient) -> None:
        with self._lock:
            if self._link is not link:
                return
            self._link = None
        log.warning("kafka.producer_replaced")
        threading.Thread(target=link.end, args=(0.0,), name="kafka-publisher-end", daemon=True).start()
        self._wake.set()

    def _keep(self) -> None:
        while not self._closing:
            self._wake.clear()
            try:
                missing = self._look()
            except Exception as error:  # whatever kafka-python raises, the next look may find the broker again
                missing = (f"kafka: {type(error).__name__}",)
            if missing != self._missing:
                log.info("kafka.publisher", missing=missing)
            self._missing, self._looked_at = missing, time.monotonic()
            self._wake.wait(CHECK_SECONDS)

    def _look(self) -> Sequence[str]:
        link = self._link
        if link is None:
            link = self._connect()
            with self._lock:
                self._link = None if self._closing else link
            if self._link is None:  # closed meanwhile, and nobody else knows of it
                link.end(0.0)
        return link.not_ready_reasons()


class _Room:
    """Counts what waits for the broker, and lets no more than `PublishLimits` of it in."""

    def __init__(self, limits: PublishLimits) -> None:
        self._limits = limits
        self._changed = threading.Condition()
        self._calls = self._records = self._bytes = 0

    @contextmanager
    def taken(self, records: int, size: int, seconds: float) -> Iterator[None]:
        """Room for one call; raises NotKept when there is none within `seconds`, and at once for what never fits."""
        with self._changed:
            fits = partial(self._fits, records, size)
            if not fits() and not (self._calls and self._changed.wait_for(fits, seconds)):
                raise PublishFailed("too much waits for kafka")
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
