"""The record of everything that the stand-in accepted. Tests compare it with what the product believes it sent."""

import json
from collections import deque
from typing import Any

CAPACITY = 300_000
"""Accepted messages; beyond that the oldest are dropped and counted."""
POSTS = 1_000
"""How many accepted bodies and read receipts are kept."""

_COMPACT = json.JSONEncoder(separators=(",", ":")).encode


class AcceptedLedger:
    """Accepted messages, each as a line of JSON: at most about 75 MB."""

    def __init__(self, capacity: int = CAPACITY, posts: int = POSTS) -> None:
        self._rows: deque[bytes] = deque(maxlen=capacity)
        self._posts: deque[dict[str, Any]] = deque(maxlen=posts)
        self.total = 0

    def accept(self, *, callback: str | None, to: str, wamid: str, at: float, number: str, body: Any) -> None:  # noqa: ANN401 - JSON
        """Records a message. `at`: seconds since 1970. `to`: the recipient as it was given."""
        row = {"callback": callback, "to": to, "wamid": wamid, "at": round(at, 3), "phone_number_id": number}
        self._rows.append(_COMPACT(row).encode())
        self.total += 1
        self._posts.append({"phone_number_id": number, "wamid": wamid, "at": round(at, 3), "body": body})

    def note_receipt(self, at: float, number: str, body: Any) -> None:  # noqa: ANN401 - JSON
        """Records a read receipt or typing indicator among the posts."""
        self._posts.append({"phone_number_id": number, "wamid": None, "at": round(at, 3), "body": body})

    def json(self, after: int = 0) -> bytes:
        """Returns `{"total", "dropped", "accepted": [...]}` without the first `after` messages."""
        dropped = self.total - len(self._rows)
        skipped = max(0, after - dropped)
        rows = list(self._rows)[skipped:] if skipped else self._rows
        return b'{"total":%d,"dropped":%d,"accepted":[%b]}' % (self.total, dropped, b",".join(rows))

    def posts_json(self) -> bytes:
        """Returns `{"posts": [{"phone_number_id", "wamid", "at", "body"}]}`: the latest bodies, oldest first."""
        return json.dumps({"posts": list(self._posts)}).encode()
