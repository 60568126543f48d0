"""Amazon SES on this machine: moto's server, whose mails nobody gets and everybody can read."""

import signal
import sys
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.guard import Guard
from infra.local.ports import LOOPBACK, free_port
from infra.local.server import ServerProcess

START_SECONDS = 60.0
STOP_SECONDS = 3.0
REGION = "us-east-1"
SENDER = "witiop@example.com"
"""The one identity that it lets send."""
CONFIGURATION_SET = "witiop"
KEY = ("local", "local")
"""Any would do."""


class LocalSes:
    """A server that forgets its mails when it stops; it ends with this process, however that ends.

    As a context manager it is ready inside.
    """

    def __init__(self, directory: Path, port: int = 0, *, guard: Guard | None = None) -> None:
        """Port 0 stands for any free one; `directory` gets its log."""
        self._directory = directory.resolve()
        self._port = port or free_port()
        self._guard, self._owns_guard = guard or Guard(), guard is None
        stop_signals = (signal.SIGTERM, signal.SIGKILL)
        self._server = ServerProcess("SES", self._directory / "ses.log", self._guard, stop_signals)

    @property
    def endpoint(self) -> str:
        """Where SES's clients connect."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def mails_url(self) -> str:
        """Where a person reads what was sent; `/<n>.eml` below it is the n-th mail as it was posted, from 1."""
        return f"{self.endpoint}/mails"

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._server.pid

    def launch(self) -> None:
        """Start it without waiting for it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._server.launch([sys.executable, "-m", "infra.local.ses_program", LOOPBACK, str(self._port)], _ROOT)

    def wait_ready(self) -> None:
        """Block until it answers, at most START_SECONDS; LocalServerError says why it does not."""
        self._server.wait_until(_answers(self._port), START_SECONDS)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """Stop it; its mails are gone."""
        self._server.end(STOP_SECONDS)
        if self._owns_guard:
            self._guard.close()

    def last_words(self) -> str:
        """Why it ended, in one line."""
        return self._server.last_words()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


_ROOT = Path(__file__).resolve().parents[2]


def _answers(port: int) -> Callable[[], bool]:
    def answers() -> bool:
        connection = HTTPConnection(LOOPBACK, port, timeout=1)
        try:
            connection.request("GET", "/mails")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    return answers
