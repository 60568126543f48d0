"""A `domain.sending.sends.Graph` in memory."""

import threading
from collections.abc import Mapping
from typing import Any

from domain.sending.callback import read_callback
from domain.sending.sends import PostAccepted, PostOutcome


class FakeGraph:
    """Records the bodies of all posts in `posts`, and those that it accepted in `accepted`. `answers`: the outcomes of
    the next posts, in order, and `answers_to`: of the next posts to phones; others are accepted. `gate`: posts wait
    until it is open. `shown`: the bodies of receipts."""

    def __init__(self, *answers: PostOutcome) -> None:
        self.posts: list[Mapping[str, Any]] = []
        self.shown: list[Mapping[str, Any]] = []
        self.accepted: list[Mapping[str, Any]] = []
        self.answers = list(answers)
        self.answers_to: dict[str, PostOutcome] = {}
        self.gate = threading.Event()
        self.gate.set()
        self._lock = threading.Lock()

    def post(self, phone_number_id: str, body: Mapping[str, Any]) -> PostOutcome:
        """See the port."""
        with self._lock:
            self.posts.append(body)
            number = len(self.posts)
            named = self.answers_to.pop(body.get("to", ""), None)
            others = self.answers.pop(0) if self.answers and named is None else None
            outcome = named or others or PostAccepted(f"wamid.{number}", "16505551234")
            if isinstance(outcome, PostAccepted):
                self.accepted.append(body)
        assert self.gate.wait(20), "the gate was never opened"
        return outcome

    def show(self, phone_number_id: str, body: Mapping[str, Any]) -> bool:
        """See the port."""
        self.shown.append(body)
        return True

    def texts(self) -> list[str]:
        """Returns the texts of all posts, in order."""
        return [body["text"]["body"] for body in self.posts]

    def callback(self, number: int) -> str:
        """Returns the callback data of a post, counted from 0."""
        text = self.posts[number]["biz_opaque_callback_data"]
        assert read_callback(text) is not None
        return str(text)
