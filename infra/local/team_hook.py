"""Stands in for a team's chat in `witiop dev`: shows what its incoming webhook gets, one line for each post."""

import hmac
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic_core import from_json

from infra.local.ports import LOOPBACK

_LONGEST = 64 * 1024
PATH = "/team"


class TeamHook:
    """A webhook on this machine. `echo`: shows a line. Refuses what its secret did not sign."""

    def __init__(self, port: int, secret: str, echo: Callable[[str], None]) -> None:
        """Raises OSError if the port is taken."""
        self._secret = secret.encode()
        self._echo = echo
        hook = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length", "0")), _LONGEST)
                signed = self.headers.get("X-Witiop-Signature-256", "")
                self.send_response(hook.take(self.rfile.read(length), signed))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Requests are shown as lines of the team."""

        self._server = ThreadingHTTPServer((LOOPBACK, port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="team", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of the webhook."""
        return f"http://{LOOPBACK}:{self._server.server_port}{PATH}"

    def take(self, body: bytes, signed: str) -> int:
        """Shows a post, and returns the status of its answer."""
        expected = f"sha256={hmac.digest(self._secret, body, 'sha256').hex()}"
        if not hmac.compare_digest(signed, expected):
            return 401
        try:
            said = from_json(body)["text"].splitlines()
        except (ValueError, KeyError, TypeError, AttributeError):
            return 400
        self._echo(f"{'team':<13} | {' · '.join(said)}")
        return 200

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
