"""Amazon SES on this machine: moto's server, whose mails nobody gets and everybody can read."""

import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from infra.local.guard import Guard
from infra.local.ports import LOOPBACK, free_port
from infra.local.server import LocalServer

_ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
SENDER = "witiop@example.com"
"""The one identity that it lets send."""
CONFIGURATION_SET = "witiop"
TOPIC_ARN = f"arn:aws:sns:{REGION}:123456789012:witiop"
"""Where it says that events go. Nobody is told of any: what it takes goes nowhere."""
KEY = ("local", "local")
"""Any would do."""


class LocalSes(LocalServer):
    """A server that forgets its mails when it stops."""

    def __init__(self, directory: Path, port: int = 0, *, guard: Guard | None = None) -> None:
        """Port 0 stands for any free one; `directory` gets its log."""
        super().__init__("SES", directory, guard)
        self._port = port or free_port()

    @property
    def endpoint(self) -> str:
        """Where SES's clients connect."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def mails_url(self) -> str:
        """Where a person reads what was sent; `/<n>.eml` below it is the n-th mail as it was posted, from 1."""
        return f"{self.endpoint}/mails"

    def launch(self) -> None:
        """See `LocalServer`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._spawn([sys.executable, "-m", "infra.local.ses_program", LOOPBACK, str(self._port)], _ROOT)

    def _answers(self) -> bool:
        connection = HTTPConnection(LOOPBACK, self._port, timeout=1)
        try:
            connection.request("GET", "/mails")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
