"""A fake Docker engine that starts nothing and records the requested containers."""

import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlparse

_LOGS = b"Kafka Server started\ndatabase system is ready to accept connections\n"


class FakeDocker:
    """Requests to the engine: the containers to create, in Docker's format, and the paths of those removed."""

    def __init__(self) -> None:
        self.url = ""
        self.created: list[dict[str, Any]] = []
        self.removed: list[str] = []

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """Returns the answer of a real engine, as far as our launchers use it."""
        if method == "DELETE":
            self.removed.append(path)
        if path.endswith("/containers/create"):
            self.created.append(json.loads(body))
        if path.endswith("/logs"):
            return struct.pack(">BxxxL", 1, len(_LOGS)) + _LOGS
        if path.endswith("/start") and "/exec/" in path:
            return b""
        ports = {port: [{"HostIp": "0.0.0.0", "HostPort": "32768"}] for port in self._exposed()}
        return json.dumps(
            {
                "ApiVersion": "1.43",
                "Id": "c0ffee",
                "ExitCode": 0,
                "Config": {"Tty": False},
                "State": {"Status": "running", "Running": True},
                "NetworkSettings": {"Ports": ports, "Networks": {}},
                "HostConfig": {"NetworkMode": "bridge", "LogConfig": {"Type": "json-file"}},
            }
        ).encode()

    def _exposed(self) -> list[str]:
        return list(self.created[-1]["ExposedPorts"]) if self.created else []


@contextmanager
def fake_docker() -> Iterator[FakeDocker]:
    """Yields an engine that listens at its `url`."""
    docker = FakeDocker()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            answer = docker.answer(self.command, urlparse(self.path).path, body)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - http.server's names

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Suppresses the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        docker.url = f"tcp://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield docker
        server.shutdown()
