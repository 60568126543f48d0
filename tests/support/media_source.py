"""A server that plays Meta's downloads and misbehaves as told: what is fetched may be slow, endless, broken or gone."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.ports import LOOPBACK

CONTENT = b"\xff\xd8\xff\xe0" + b"a photo" * 1000


class MediaSource:
    """`info`: fields of the answer about a file that differ; `status`: of the answers about files and of downloads;
    `content`: what is sent; `stated`: the length that the download's head states, None for none; `endless`: `content`
    is sent again and again; `gate`: the download stops after its first part until it is open. `asked`: paths with the
    Authorization header of each request."""

    def __init__(self) -> None:
        self.url = ""
        self.info: dict[str, Any] = {}
        self.info_status = self.status = 200
        self.content = CONTENT
        self.stated: int | None = len(CONTENT)
        self.endless = False
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[tuple[str, str]] = []
        self.sent = 0

    def answer_of(self, path: str) -> dict[str, Any]:
        """Returns the answer about a file."""
        return {
            "messaging_product": "whatsapp",
            "url": f"{self.url}/_media{path}",
            "mime_type": "image/jpeg",
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "file_size": len(self.content),
            **self.info,
        }

    def send(self, write: Callable[[bytes], Any]) -> None:
        """Sends the content."""
        write(self.content[:1000])
        assert self.gate.wait(20), "the gate was never opened"
        write(self.content[1000:])
        while self.endless:
            write(self.content)
            self.sent += len(self.content)


@contextmanager
def media_source() -> Iterator[MediaSource]:
    """Runs the server in threads of the test."""
    source = MediaSource()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            source.asked.append((self.path, self.headers.get("Authorization", "")))
            with suppress(OSError):  # the client goes away from what is endless
                self._download() if self.path.startswith("/_media") else self._about()

        def log_message(self, *_: object) -> None:
            pass

        def _about(self) -> None:
            body = json.dumps(source.answer_of(self.path.partition("?")[0])).encode()
            self.send_response(source.info_status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _download(self) -> None:
            self.send_response(source.status)
            if source.status == 302:
                self.send_header("Location", f"{source.url}/_media/elsewhere")
            if source.stated is not None:
                self.send_header("Content-Length", str(source.stated))
            self.end_headers()
            source.send(self.wfile.write)

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    source.url = f"http://{LOOPBACK}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, name="media-source")
    thread.start()
    try:
        yield source
    finally:
        source.gate.set()
        source.endless = False
        server.shutdown()
        thread.join()
        server.server_close()
