"""When customers were shown that somebody is writing to them."""

import threading
from datetime import datetime, timedelta
from uuid import UUID

_PAUSE = timedelta(seconds=15)
"""WhatsApp shows it for 25 seconds."""


class ShownTyping:
    """When each customer was shown it last, of those who were within the last 15 seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: dict[UUID, datetime] = {}

    def is_due(self, conversation: UUID, now: datetime) -> bool:
        """Returns whether a customer is to be shown it now, and notes that they are."""
        with self._lock:
            self._shown = {each: at for each, at in self._shown.items() if now < at + _PAUSE}
            if conversation in self._shown:
                return False
            self._shown[conversation] = now
            return True
