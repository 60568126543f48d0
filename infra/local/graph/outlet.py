"""Reports updates to the webhook when they are due: signed, many in one body, and again until they are accepted."""

import asyncio
import heapq
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import structlog

from infra.local.graph.accounts import BusinessAccounts
from infra.local.simulator import bodies
from infra.local.simulator.bodies import BodyObject, SimulatedCustomer, WebhookPost
from infra.local.simulator.webhooks import ACCEPTED, Webhooks

BATCH = 200
"""Greatest number of updates in a body."""
PENDING = 500_000
"""How many updates wait at most; further ones are lost and counted."""
_STEP_SECONDS = 0.02
_THREADS = 8
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 8.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NumberUpdate:
    """A status of a number's message, or with `sender` a message that it got."""

    number: str
    item: BodyObject
    sender: SimulatedCustomer | None = None


@dataclass(frozen=True, slots=True)
class AccountUpdate:
    """An update of a business account."""

    account_id: str
    field: str
    value: BodyObject


GraphUpdate = NumberUpdate | AccountUpdate


@dataclass(order=True, slots=True)
class _Due:
    at: float
    order: int
    update: GraphUpdate = field(compare=False)


class WebhookOutlet:
    """Updates of one number are reported one body after the other, so they keep their order. Without `webhooks`,
    nothing is reported. `is_paused`: whether nothing may leave at the moment. Must be used in one event loop."""

    def __init__(
        self,
        webhooks: Webhooks | None,
        accounts: BusinessAccounts,
        is_paused: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._webhooks = webhooks
        self._accounts = accounts
        self._is_paused = is_paused
        self._monotonic = monotonic
        self._heap: list[_Due] = []
        self._order = count()
        self._ready: dict[str, deque[GraphUpdate]] = {}
        self._deliveries: dict[str, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="outlet")
        self._answers: Counter[str] = Counter()
        self._waiting = self._lost = 0
        self._running: asyncio.Task[None] | None = None

    def put(self, update: GraphUpdate, delay: float = 0.0) -> None:
        """Reports an update after the delay, in seconds."""
        account = self._account_of(update)
        if self._webhooks is None or not self._accounts.is_subscribed(account):
            return
        if self._waiting >= PENDING:
            self._lost += 1
        else:
            self._waiting += 1
            heapq.heappush(self._heap, _Due(self._monotonic() + delay, next(self._order), update))

    def start(self) -> None:
        """Begins to report what is due."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Ends without reporting the rest."""
        for task in (*self._deliveries.values(), *([self._running] if self._running else ())):
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def counts(self) -> dict[str, object]:
        """Returns how many updates wait and were lost, and the webhook's answers: the number of bodies by status."""
        return {"waiting": self._waiting, "lost": self._lost, "answers": dict(self._answers)}

    async def _run(self) -> None:
        while True:
            if not self._is_paused():
                self._take_due()
            await asyncio.sleep(_STEP_SECONDS)

    def _take_due(self) -> None:
        now = self._monotonic()
        while self._heap and self._heap[0].at <= now:
            update = heapq.heappop(self._heap).update
            key = update.number if isinstance(update, NumberUpdate) else f"account {update.account_id}"
            self._ready.setdefault(key, deque()).append(update)
        for key in self._ready:
            if key not in self._deliveries:
                self._deliveries[key] = asyncio.get_running_loop().create_task(self._deliver(key))

    async def _deliver(self, key: str) -> None:
        """Reports everything that is ready for a number or an account."""
        queue = self._ready[key]
        try:
            while queue:
                batch = [queue.popleft()]
                while queue and isinstance(batch[0], NumberUpdate) and len(batch) < BATCH:
                    batch.append(queue.popleft())
                await self._until_accepted(self._body(batch))
                self._waiting -= len(batch)
        finally:
            del self._deliveries[key]
            if not queue:
                self._ready.pop(key, None)

    async def _until_accepted(self, post: WebhookPost) -> None:
        """Posts a body until it is answered 200, with growing pauses, as Meta does for seven days."""
        assert self._webhooks is not None
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE_SECONDS
        while True:
            with suppress(RuntimeError):  # the threads have ended: so has this program
                answer = await loop.run_in_executor(self._threads, self._webhooks.post, post)
                self._answers[str(answer or "none")] += 1
                if answer == ACCEPTED:
                    return
                log.warning("graph.webhook_not_accepted", answer=answer, updates=post.updates)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _body(self, batch: list[GraphUpdate]) -> WebhookPost:
        first = batch[0]
        if isinstance(first, AccountUpdate):
            return bodies.of_account(first.account_id, first.field, first.value)
        updates = [update for update in batch if isinstance(update, NumberUpdate)]
        senders = dict.fromkeys(update.sender for update in updates if update.sender is not None)
        return bodies.from_meta(
            self._accounts.number(first.number),
            messages=[update.item for update in updates if update.sender is not None],
            senders=list(senders),
            statuses=[update.item for update in updates if update.sender is None],
        )

    def _account_of(self, update: GraphUpdate) -> str:
        if isinstance(update, AccountUpdate):
            return update.account_id
        return self._accounts.number(update.number).account_id
