"""What the webhook sees besides updates, told by notices on the inbound topic: this process has no database."""

import threading
import time
from collections.abc import Callable
from datetime import datetime

from domain.facts import FACT, partition_key
from domain.ports import OutgoingRecord, Publisher
from domain.setup.sightings import WebhookEvent, webhook_notice
from domain.topics import Topics

_SECONDS = 30.0
"""How often a process tells the same: strangers may cause any number of these events."""
_PUBLISH_SECONDS = 2.0


class WebhookSightings:
    """Tells of events as far as the broker takes it: losing one costs nothing but a line on the page *Set-up*.
    Thread-safe; never blocks, never raises."""

    def __init__(self, publisher: Publisher, topics: Topics, clock: Callable[[], datetime]) -> None:
        self._publisher = publisher
        self._topics = topics
        self._clock = clock
        self._lock = threading.Lock()
        self._next: dict[WebhookEvent, float] = {}

    def tell(self, event: WebhookEvent) -> None:
        """Tells of an event, unless this process has just done so."""
        now = time.monotonic()
        with self._lock:
            if now < self._next.get(event, now):
                return
            self._next[event] = now + _SECONDS
        notice = webhook_notice(event, self._clock())
        record = OutgoingRecord(self._topics.inbound, partition_key(notice), FACT.dump_json(notice))
        self._publisher.begin([record], _PUBLISH_SECONDS, lambda _: None)
