"""The Kafka publisher, which implements P1 of the architecture.

Every record in a producer's memory is counted (`infra.kafka.send_queue`), so an outage of any length needs no more
memory than `PublishLimits` allows. A record that is neither acknowledged nor failed after kafka-python's own delivery
timeout means that the producer is stuck, and it is replaced.
"""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from domain.ports import OutgoingRecord, PublishDone, PublishFailed, RecordPosition
from infra.kafka.config import KafkaConfig
from infra.kafka.producer_client import DELIVERY_SECONDS, KafkaProducerClient, ProducerClient
from infra.kafka.send_queue import Call, PublishLimits, SendQueue

log = structlog.get_logger()

CHECK_SECONDS = 1.0
"""Pause between two readiness checks at the broker."""
_STALE_SECONDS = 10.0
_CLOSE_SECONDS = 1.0
_STUCK_SECONDS = DELIVERY_SECONDS + 0.3


class KafkaPublisher:
    """A `domain.ports.Publisher`. Connects in the background, so it can be created before the broker is up. Create it
    after a fork, because its threads do not survive one. Thread-safe."""

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
        self._limits = limits or PublishLimits()
        self._lock = threading.Lock()
        self._connected: tuple[ProducerClient, SendQueue] | None = None
        self._reasons: Sequence[str] = ("kafka: not connected yet",)
        self._checked_at = time.monotonic()
        self._wake = threading.Event()
        self._closing = False
        threading.Thread(target=self._run_checks, name="kafka-publisher", daemon=True).start()

    def begin(self, records: Sequence[OutgoingRecord], deadline_seconds: float, done: PublishDone) -> None:
        """See the port."""
        call = Call(records, time.monotonic() + deadline_seconds, done)
        if not records:
            done(())
        elif (connected := self._connected) is None:
            done(PublishFailed("kafka: not connected yet"))
        else:
            _, queue = connected
            queue.add(call)

    def publish(self, records: Sequence[OutgoingRecord], deadline_seconds: float) -> Sequence[RecordPosition]:
        """See the port. With a deadline below DELIVERY_SECONDS, a slow broker is mistaken for a stuck producer."""
        finished = threading.Event()
        outcomes: list[Sequence[RecordPosition] | PublishFailed] = []

        def done(outcome: Sequence[RecordPosition] | PublishFailed) -> None:
            outcomes.append(outcome)
            finished.set()

        connected = self._connected
        self.begin(records, deadline_seconds, done)
        if not finished.wait(deadline_seconds):
            self._replace_if_stuck(connected, deadline_seconds)
            raise PublishFailed("kafka: no acknowledgement in time")
        outcome = outcomes.pop()
        try:
            if isinstance(outcome, PublishFailed):
                raise outcome
            return outcome
        finally:
            del outcome  # the error holds this frame, and with it the records, until the garbage collector runs

    def not_ready_reasons(self) -> Sequence[str]:
        """Returns the result of the last check at the broker. A check that hangs counts as no answer. Never blocks."""
        if time.monotonic() - self._checked_at > _STALE_SECONDS:
            return ("kafka: no answer",)
        return self._reasons

    def close(self) -> None:
        """Disconnects. Blocks for about a second at most. Records that are not acknowledged by then fail."""
        with self._lock:
            self._closing = True
            connected, self._connected = self._connected, None
        self._wake.set()
        if connected is not None:
            client, _ = connected
            client.end(_CLOSE_SECONDS)

    def _replace_if_stuck(self, connected: tuple[ProducerClient, SendQueue] | None, seconds: float) -> None:
        """Replaces a producer in which a record has waited for longer than this, or that can never succeed again."""
        if connected is None or not (connected[1].is_useless or connected[1].is_stuck(seconds)):
            return
        with self._lock:
            if self._connected is not connected:
                return
            self._connected = None
        log.warning("kafka.producer_replaced")
        client, queue = connected
        queue.fail_queued()
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
            pause = min(CHECK_SECONDS, self._limits.overdue_seconds)
            while not self._wake.wait(pause) and time.monotonic() - self._checked_at < CHECK_SECONDS:
                self._send_waiting()

    def _send_waiting(self) -> None:
        """Sends what waits behind groups that have become overdue, if nothing is published that would."""
        try:
            if (connected := self._connected) is not None:
                connected[1].send_next()
        except Exception as error:  # this thread must go on: nobody else replaces a producer
            log.error("kafka.not_sent", error=type(error).__name__)

    def _check(self) -> Sequence[str]:
        self._replace_if_stuck(self._connected, _STUCK_SECONDS)
        connected = self._connected
        if connected is None:
            client = self._connect()
            connected = client, SendQueue(client, self._limits, self._wake.set)
            with self._lock:
                self._connected = None if self._closing else connected
            if self._connected is None:  # closed meanwhile: no other reference to this client exists
                client.end(0.0)
        return connected[0].not_ready_reasons()
