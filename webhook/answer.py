"""The answer to a request whose updates Kafka has not acknowledged yet."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

import structlog

from domain.ports import PublishFailed, RecordPosition
from infra.process.crash_points import crash_point
from infra.process.traces import TracedStep
from infra.serving.rejection import Rejected
from infra.serving.wsgi_bridge import Answer
from webhook.metrics import WebhookMetrics

_SWEEP_SECONDS = 0.1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a request published: the kinds of its facts, and how many parts nobody could read."""

    path: str
    source: str
    kinds: Sequence[str]
    unreadable: int


class AnswerWhenStored:
    """Sends the answer when two things have happened, in either order and in any threads: the outcome is known
    (`settle`), and the server is ready to send (`send_to`). `is_stored`: the outcome; None while it is not known."""

    def __init__(self, receipt: Receipt, metrics: WebhookMetrics, step: TracedStep | None = None) -> None:
        """`step`: of the request's trace; it ends with the decision."""
        self._step = step
        self._receipt = receipt
        self._metrics = metrics
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._send: Answer | None = None
        self.is_stored: bool | None = None

    def settle(self, outcome: Sequence[RecordPosition] | PublishFailed) -> None:
        """Takes the outcome from the publisher. One that comes after `give_up` only counts."""
        is_stored, receipt = not isinstance(outcome, PublishFailed), self._receipt
        if is_stored:
            seconds = time.monotonic() - self._began
            self._metrics.acknowledged(receipt.source, receipt.kinds, receipt.unreadable, seconds)
            crash_point("webhook.after-publish-before-answer")
        self._decide(is_stored)

    def give_up(self) -> None:
        """Answers that the updates are not stored, unless the outcome is known. They may be stored later all the same:
        the sender repeats them, and a repeat changes nothing."""
        self._decide(False)

    def _decide(self, is_stored: bool) -> None:
        with self._lock:
            if self.is_stored is not None:
                return
            self.is_stored, send, self._send = is_stored, self._send, None
        if self._step is not None:
            self._step.end(None if is_stored else "not_acknowledged")
        if send is not None:
            self._answer(send)

    def send_to(self, send: Answer) -> None:
        """Takes the function that sends the answer. Until now, the request counts as not answered."""
        with self._lock:
            self._send, is_stored = send, self.is_stored
        if is_stored is not None:
            self._answer(send)

    def _answer(self, send: Answer) -> None:
        failure = None if self.is_stored else _NOT_STORED.response()
        self._metrics.answered(self._receipt.path, 200 if failure is None else failure.status)
        send(failure)


_NOT_STORED = Rejected(503, "not_acknowledged", "Not stored; send it again.")


class AnswerDeadlines:
    """Gives up on answers whose outcome is not known in time, in a thread of its own: a broker that hangs must not keep
    the senders waiting for longer than was promised. Create it after a fork."""

    def __init__(self) -> None:
        self._pending: list[tuple[float, int, AnswerWhenStored]] = []
        self._order = count()
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="answer-deadlines", daemon=True).start()

    def add(self, answer: AnswerWhenStored, deadline: float) -> None:
        """Gives up on an answer at `deadline` (monotonic seconds). O(log n)."""
        with self._lock:
            heappush(self._pending, (deadline, next(self._order), answer))

    def _run(self) -> None:
        while True:
            time.sleep(_SWEEP_SECONDS)
            now, late = time.monotonic(), []
            with self._lock:
                while self._pending and self._pending[0][0] <= now:
                    late.append(heappop(self._pending)[2])
            for answer in late:
                try:
                    answer.give_up()
                except Exception as error:  # without this thread, no sender would be answered in time any more
                    log.error("webhook.not_answered", error=type(error).__name__)
