"""What many customers at once send: an endless row of updates, each the same whenever it is asked for."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Literal

from infra.local.simulator import bodies
from infra.local.simulator.bodies import BodyObject, BusinessNumber, SimulatedCustomer, WebhookPost

STATUSES = ("sent", "delivered", "read", "played")

_SHUFFLED = 100
_REPEATED = 1000
"""An update comes among its hundred neighbours; a repeat is one of the last thousand."""


@dataclass(frozen=True, slots=True)
class Mix:
    """What the traffic is made of. `statuses_per_message`: at most four, of an answer to each customer's message.
    `repeats` and `unreadable` are shares, 0 to 1: of updates that were sent before, of messages nobody can read."""

    line: BusinessNumber
    customers: int = 500
    statuses_per_message: int = 3
    repeats: float = 0.0
    unreadable: float = 0.0


@dataclass(frozen=True, slots=True)
class Update:
    """One update. `wamid` and `status` name it (`status` None: a message), `hash` is the `fingerprint` of all of it
    that must be found again."""

    kind: Literal["message", "status", "unreadable"]
    wamid: str
    status: str | None
    hash: str
    customer: SimulatedCustomer
    item: BodyObject


def fingerprint(*parts: object) -> str:
    """Of a message: number, wamid, time in seconds, text; of a status: number, wamid, time, status."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:16]


class Traffic:
    """`began` (aware UTC) names the run: no two share an id. At `rate` updates a second, update n happens n / rate
    seconds after it."""

    def __init__(self, mix: Mix, began: datetime, rate: float) -> None:
        self._mix = mix
        self._began = began
        self._rate = rate
        self._run = f"{began:%Y%m%d%H%M%S%f}"
        self._per_message = 1 + mix.statuses_per_message
        self._unreadable_every = round(1 / mix.unreadable) if mix.unreadable else 0

    def update(self, number: int) -> Update:
        """The n-th update: a customer's message, then the statuses of its answer."""
        message, part = divmod(number, self._per_message)
        who = message % self._mix.customers
        customer = SimulatedCustomer(f"Customer {who}", f"999{who:010}")  # +999 is no country's
        at = self._began + timedelta(seconds=number / self._rate)
        line, seconds = self._mix.line.phone_number_id, int(at.timestamp())
        if part:
            wamid, value = f"wamid.{self._run}.{message}.answer", STATUSES[part - 1]
            item = bodies.status(customer, wamid, at, value)
            return Update("status", wamid, value, fingerprint(line, wamid, seconds, value), customer, item)
        wamid, text = f"wamid.{self._run}.{message}", f"This is message {message}"
        item = bodies.message(customer, wamid, at, "text", text={"body": text})
        unreadable = self._unreadable_every and message % self._unreadable_every == 0
        if unreadable:
            del item["type"]
        hashed = fingerprint(line, wamid, seconds, text)
        return Update("unreadable" if unreadable else "message", wamid, None, hashed, customer, item)

    def post(self, updates: Sequence[Update]) -> WebhookPost:
        """One body with all of them."""
        messages = [update for update in updates if update.status is None]
        statuses = [update.item for update in updates if update.status is not None]
        senders = {update.customer.wa_id: update.customer for update in messages}
        return bodies.from_meta(
            self._mix.line,
            messages=[update.item for update in messages],
            senders=list(senders.values()),
            statuses=statuses,
        )

    def numbers(self, total: int) -> Iterator[int]:
        """Which updates come, so many in all: neighbours shuffled, since Meta promises no order, with the repeats."""
        random = Random(self._run)  # noqa: S311 - the same run has the same order
        fresh = count()
        near = [next(fresh) for _ in range(_SHUFFLED)]
        sent: deque[int] = deque(maxlen=_REPEATED)
        for _ in range(total):
            if sent and random.random() < self._mix.repeats:
                yield sent[random.randrange(len(sent))]
                continue
            place = random.randrange(_SHUFFLED)
            sent.append(near[place])
            near[place] = next(fresh)
            yield sent[-1]
