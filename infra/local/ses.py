"""Amazon SES and S3 on this machine: moto's server. Mails are not delivered; they can be read on a page."""

import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from infra.local.guard import Guard
from infra.local.ports import LOOPBACK, free_port
from infra.local.server import LocalServer

_ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
SENDER = "witiop@example.com"
"""The only verified identity."""
CONFIGURATION_SET = "witiop"
TOPIC_ARN = f"arn:aws:sns:{REGION}:123456789012:witiop"
"""The configured event destination. No events are actually published."""
BUCKET = "witiop-media"
"""The bucket of the store of files, which the same server keeps, in memory too."""
KEY = ("local", "local")
"""Any key is accepted."""


class LocalSes(LocalServer):
    """A server that keeps mails and files in memory only."""

    def __init__(self, directory: Path, port: int = 0, *, guard: Guard | None = None) -> None:
        """Port 0: any free port. `directory`: for the log."""
        super().__init__("SES", directory, guard)
        self._port = port or free_port()

    @property
    def endpoint(self) -> str:
        """The address for SES clients."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def mails_url(self) -> str:
        """The page with the sent mails. `/<n>.eml` below it is the n-th mail as posted, from 1."""
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
