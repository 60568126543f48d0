"""A client for the webhooks: posts signed bodies over HTTP and repeats them like Meta until they are accepted."""

import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from infra.local.errors import LocalServerError, NotReachableError
from infra.local.simulator.bodies import WebhookPost, WebhookSource, signature

ACCEPTED, NOT_ACKNOWLEDGED = 200, 503

_SIGNATURE_HEADERS: Mapping[WebhookSource, str] = {
    "whatsapp": "X-Hub-Signature-256",
    "softbot": "X-Witiop-Signature-256",
    "agents": "X-Witiop-Signature-256",
}
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 8.0


class Webhooks:
    """The webhooks at `url`. Each thread that posts has a persistent connection."""

    def __init__(self, url: str, secrets: Mapping[WebhookSource, str], timeout_seconds: float = 10.0) -> None:
        parts = urlsplit(url)
        self.url = url
        self._host = parts.netloc
        self._path = parts.path.rstrip("/")
        self._connection = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._secrets = secrets
        self._timeout_seconds = timeout_seconds
        self._of_thread = threading.local()

    def post(self, post: WebhookPost) -> int | None:
        """Posts once. Returns the status of the answer; None if there was none in time, so that the outcome is
        unknown."""
        headers = {
            "Content-Type": post.content_type,
            _SIGNATURE_HEADERS[post.sender]: signature(self._secrets[post.sender], post.body),
        }
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = self._connection(self._host, timeout=self._timeout_seconds)
        connection: HTTPConnection = self._of_thread.connection
        try:
            connection.request("POST", f"{self._path}/webhooks/{post.sender}", post.body, headers)
            response = connection.getresponse()
            response.read()
        except (OSError, HTTPException):
            connection.close()  # the next post opens another
            return None
        return response.status

    def deliver(self, post: WebhookPost, seconds: float = 60.0) -> None:
        """Posts until the answer is 200, with growing pauses. Raises NotReachableError if that takes longer than
        `seconds`, and LocalServerError for a rejection, which repeats would not change."""
        until = time.monotonic() + seconds
        pauses = Pauses()
        while (answer := self.post(post)) != ACCEPTED:
            if answer not in (None, NOT_ACKNOWLEDGED):
                raise LocalServerError(f"{self.url} rejected an update of {post.sender}: {answer}; check its secrets")
            if time.monotonic() > until:
                raise NotReachableError(
                    f"{self.url} accepted nothing for {seconds:.0f} s: check whether the stack is ready"
                )
            pauses.wait()


class Pauses:
    """Pauses between attempts, each twice as long as the previous one, up to 8 s."""

    def __init__(self) -> None:
        self._seconds = _FIRST_PAUSE_SECONDS

    def wait(self) -> None:
        """Blocks for the next pause."""
        time.sleep(self._seconds)
        self._seconds = min(2 * self._seconds, _LONGEST_PAUSE_SECONDS)
