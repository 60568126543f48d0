"""Posts to Meta that are under way: each in a thread of its own, and each attempted at most once."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from queue import Empty, SimpleQueue
from time import monotonic
from typing import NamedTuple
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from domain.sending.callback import Callback
from domain.sending.sends import Graph, NotSent, PostOutcome, Send, Unanswered, letter, read_receipt
from infra.postgres.sending.recipients import AskedReceipt
from infra.process.crash_points import crash_point

POST_WITHIN_SECONDS = 5.0
"""After its claim: a post that begins later may find that its send is *unknown* already."""
RECEIPTS = 8
"""Read receipts under way at the same time; further ones wait, and are dropped when they are too old."""

_RECEIPTS = Counter("witiop_sender_receipts", "Read receipts and typing indicators shown to customers.", ["outcome"])
_IN_FLIGHT = Gauge("witiop_sender_in_flight", "Posts to Meta that are under way.")

log = structlog.get_logger("sender")


class Posted(NamedTuple):
    """A post and how it ended. `milliseconds`: how long it took; None: it did not begin."""

    send: Send
    outcome: PostOutcome
    milliseconds: int | None


class Posts:
    """At most `in_flight` posts of messages, and some receipts beside them. A post stays under way until it is
    `forgotten`, because its outcome must be recorded. Used by one thread."""

    def __init__(self, graph: Graph, in_flight: int, post_within_seconds: float) -> None:
        self._graph = graph
        self._in_flight = in_flight
        self._post_within_seconds = post_within_seconds
        self._threads = ThreadPoolExecutor(in_flight, "post")
        self._receipt_threads = ThreadPoolExecutor(RECEIPTS, "receipt")
        self._posting: dict[UUID, tuple[str, Future[None]]] = {}
        self._receipts: set[Future[None]] = set()
        self._ended: SimpleQueue[Posted] = SimpleQueue()

    @property
    def free(self) -> int:
        """How many more posts may begin."""
        return self._in_flight - len(self._posting)

    @property
    def free_receipts(self) -> int:
        """How many more receipts may be shown."""
        self._receipts = {receipt for receipt in self._receipts if not receipt.done()}
        return RECEIPTS - len(self._receipts)

    @property
    def under_way(self) -> set[UUID]:
        """The sends whose post is under way or not recorded."""
        return set(self._posting)

    def is_posting_from(self, number: str) -> bool:
        """Returns whether a post from a number is under way."""
        return any(number == other for other, _ in self._posting.values())

    def begin(self, send: Send, media_id: str | None, claimed_at: float) -> None:
        """Begins to post a send. `media_id`: Meta's id of the file that it shows; `claimed_at`: by the monotonic clock,
        before it was claimed."""
        self._posting[send.id] = send.phone_number_id, self._threads.submit(self._post, send, media_id, claimed_at)
        _IN_FLIGHT.set(len(self._posting))

    def show(self, receipt: AskedReceipt) -> None:
        """Begins to show a receipt. What becomes of it is of no consequence."""
        self._receipts.add(self._receipt_threads.submit(self._show, receipt))

    def ended(self, seconds: float = 0.0) -> list[Posted]:
        """Returns what ended since the last call; waits for the first, `seconds` at most."""
        found: list[Posted] = []
        try:
            while True:
                found.append(self._ended.get(timeout=seconds) if not found and seconds else self._ended.get_nowait())
        except Empty:
            return found

    def forget(self, posted: Posted) -> None:
        """Notes that an outcome is recorded."""
        self._posting.pop(posted.send.id, None)
        _IN_FLIGHT.set(len(self._posting))

    def end(self) -> list[UUID]:
        """Waits for what began, and returns the sends whose posts did not begin and never will."""
        given_back = [id_ for id_, (_, future) in self._posting.items() if future.cancel()]
        for id_ in given_back:
            del self._posting[id_]
        for receipt in self._receipts:
            receipt.cancel()
        self._threads.shutdown(wait=True)
        self._receipt_threads.shutdown(wait=True)
        return given_back

    def _post(self, send: Send, media_id: str | None, claimed_at: float) -> None:
        """Makes the one attempt."""
        if monotonic() - claimed_at > self._post_within_seconds:
            self._ended.put(Posted(send, NotSent("too late after its claim", "message", timedelta()), None))
            return
        began = monotonic()
        callback = Callback(send.id, send.attempt, send.secret).text()
        try:
            outcome = self._graph.post(send.phone_number_id, letter(send, callback, media_id))
        except Exception:  # a defect of ours, after the request may have been written
            log.error("send.defect", send_id=str(send.id), exc_info=True)
            outcome = Unanswered("a defect of the sender")
        crash_point("sender.after-post-before-mark")
        self._ended.put(Posted(send, outcome, round((monotonic() - began) * 1000)))

    def _show(self, receipt: AskedReceipt) -> None:
        try:
            shown = self._graph.show(receipt.phone_number_id, read_receipt(receipt.wamid, typing=receipt.typing))
        except Exception:  # a defect of ours
            log.error("receipt.defect", exc_info=True)
            shown = False
        _RECEIPTS.labels("shown" if shown else "lost").inc()
