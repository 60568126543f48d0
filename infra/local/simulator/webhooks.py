"""Where the bodies go: the webhooks over HTTP, each body signed, again as Meta does it when it was not taken."""

import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from infra.local.errors import LocalServerError, NotReachableError
from infra.local.simulator.bodies import WebhookPost, WebhookSource, signature

TAKEN, NOT_KEPT = 200, 503

_SIGNATURE_HEADERS: Mapping[WebhookSource, str] = {
    "whatsapp": "X-Hub-Signature-256",
    "softbot": "X-Witiop-Signature-256",
    "agents": "X-Witiop-Signature-256",
}
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 8.0


class Webhooks:
    """The webhooks at `url`, with one kept connection for each thread that posts."""

    def __init__(self, url: str, secrets: Mapping[WebhookSource, str], timeout_seconds: float = 10.0) -> None:
        parts = urlsplit(url)
        self.url = url
        self._host = parts.netloc
        self._path = parts.path.rstrip("/")
        self._connection = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._secrets = secrets
        self._timeout_seconds = timeout_seconds
        self._mine = threading.local()

    def post(self, post: WebhookPost) -> int | None:
        """The status of the answer; None: there was none in time, so nobody knows whether it was kept."""
        headers = {
            "Content-Type": post.content_type,
            _SIGNATURE_HEADERS[post.sender]: signature(self._secrets[post.sender], post.body),
        }
        if not hasattr(self._mine, "connection"):
            self._mine.connection = self._connection(self._host, timeout=self._timeout_seconds)
        connection: HTTPConnection = self._mine.connection
        try:
            connection.request("POST", f"{self._path}/webhooks/{post.sender}", post.body, headers)
            response = connection.getresponse()
            response.read()
        except (OSError, HTTPException):
            connection.close()  # the next post opens another
            return None
        return response.status

    def deliver(self, post: WebhookPost, seconds: float = 60.0) -> None:
        """Post it until it is answered 200, with growing pauses. Raises NotReachableError when it was not for so long,
        LocalServerError when it is refused, which would not change."""
        until = time.monotonic() + seconds
        pauses = Pauses()
        while (answer := self.post(post)) != TAKEN:
            if answer not in (None, NOT_KEPT):
                raise LocalServerError(f"{self.url} refused an update of {post.sender}: {answer}; see its secrets")
            if time.monotonic() > until:
                raise NotReachableError(f"{self.url} took nothing for {seconds:.0f} s: see whether the stack is ready")
            pauses.wait()


class Pauses:
    """Pauses between attempts, each twice as long as the one before."""

    def __init__(self) -> None:
        self._seconds = _FIRST_PAUSE_SECONDS

    def wait(self) -> None:
        """Block for the next pause."""
        time.sleep(self._seconds)
        self._seconds = min(2 * self._seconds, _LONGEST_PAUSE_SECONDS)
