"""`witiop run webhook` as the only process, and a client that can send bytes which normal HTTP clients never send."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from domain.topics import Topics
from infra.local.ports import LOOPBACK
from tests.support.process_tree import tree
from tests.support.system import System
from tests.support.waiting import wait_until
from tests.support.webhook_app import from_meta

PATH = "/webhooks/whatsapp"
_NO_DATABASE = "postgresql://127.0.0.1:1/none"


class WebhookProcess:
    """A webhook process. Once constructed, the process listens or has ended; it may not be ready yet."""

    def __init__(
        self, bootstrap: str, topics: Topics, directory: Path, crash_at: str | None = None, **settings: object
    ) -> None:
        """`directory`: for the log. `settings`: e.g. `webhook_processes=2`."""
        self._system = System(bootstrap, _NO_DATABASE, topics, directory)
        self.port = self._system.webhook_port
        (self.worker,) = self._system.start("webhook", crash_at=crash_at, **settings)
        self.http = httpx.Client(base_url=self._system.webhooks.url, timeout=15)
        wait_until(lambda: not self.worker.runs or self._answers("/healthz"))

    def ready(self) -> bool:
        """Whether `/readyz` answers 200."""
        return self._answers("/readyz")

    def post(self, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, float]:
        """Posts a body, signed unless headers are given. Returns the status and the seconds until the answer."""
        began = time.monotonic()
        answer = self.http.post(PATH, content=body, headers=from_meta(body) if headers is None else headers)
        return answer.status_code, time.monotonic() - began

    def connect(self) -> socket.socket:
        """Opens a connection for raw bytes."""
        return socket.create_connection((LOOPBACK, self.port), timeout=20)

    def memory(self) -> int:
        """Returns the memory of the process and its workers, in bytes."""
        return sum(process.memory_info().rss for process in tree(self.worker.pid))

    def cpu_seconds(self) -> float:
        """Returns the processor time that the process and its workers have taken."""
        times = [process.cpu_times() for process in tree(self.worker.pid)]
        return sum(each.user + each.system for each in times)

    def end(self) -> None:
        """Ends the process and its workers by force."""
        self.http.close()
        self._system.close()

    def _answers(self, path: str) -> bool:
        try:
            return self.http.get(path).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def webhook_process(
    bootstrap: str, topics: Topics, directory: Path, crash_at: str | None = None, **settings: object
) -> Iterator[WebhookProcess]:
    """Yields a process that is ready."""
    webhook = WebhookProcess(bootstrap, topics, directory, crash_at, **settings)
    try:
        wait_until(webhook.ready)
        yield webhook
    finally:
        webhook.end()


def head(headers: dict[str, str], *more: str) -> bytes:
    """Returns the head of a POST as bytes. `more`: further header lines."""
    lines = [f"POST {PATH} HTTP/1.1", "Host: webhook", *(f"{name}: {value}" for name, value in headers.items()), *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def status_of(connection: socket.socket) -> int | None:
    """Returns the status of the next response on a connection; None if the connection is closed without one."""
    line = connection.makefile("rb").readline()
    return int(line.split()[1]) if line else None
