"""Generated traffic of many customers: an endless, deterministic sequence of updates."""

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
"""Updates are shuffled among a hundred neighbours; a repeat is one of the last thousand updates."""


@dataclass(frozen=True, slots=True)
class Mix:
    """The composition of the traffic. `statuses_per_message`: statuses of the answer to each customer's message, at
    most four. `repeats`: the share (0 to 1) of updates that are repeats. `unreadable`: the share of messages that
    cannot be read."""

    line: BusinessNumber
    customers: int = 500
    statuses_per_message: int = 3
    repeats: float = 0.0
    unreadable: float = 0.0


@dataclass(frozen=True, slots=True)
class Update:
    """One update, identified by `wamid` and `status` (None for a message). `hash`: the `fingerprint` of the content
    that must be found in the database."""

    kind: Literal["message", "status", "unreadable"]
    wamid: str
    status: str | None
    hash: str
    customer: SimulatedCustomer
    item: BodyObject


def fingerprint(*parts: object) -> str:
    """Returns a hash of a message's number, wamid, time in seconds and text, or of a status's number, wamid, time and
    status."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:16]


class Traffic:
    """The updates of one run. `began` (aware UTC) is part of all ids, so that no two runs share one. Update n happens
    n / `rate` seconds after `began`."""

    def __init__(self, mix: Mix, began: datetime, rate: float) -> None:
        self._mix = mix
        self._began = began
        self._rate = rate
        self._run = f"{began:%Y%m%d%H%M%S%f}"
        self._per_message = 1 + mix.statuses_per_message
        self._unreadable_every = round(1 / mix.unreadable) if mix.unreadable else 0

    def update(self, number: int) -> Update:
        """Returns the n-th update: a customer's message, or a status of the answer to the message before."""
        message, part = divmod(number, self._per_message)
        index = message % self._mix.customers
        customer = SimulatedCustomer(f"Customer {index}", f"999{index:010}")  # +999 is not assigned to a country
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
        """Returns one body with all these updates."""
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
        """Yields the numbers of `total` updates to send: shuffled, because Meta promises no order, and with repeats."""
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
