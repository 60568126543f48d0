"""An HTTP worker with a small application, in this process, and clients that can send any bytes."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self
from wsgiref.types import StartResponse

from flask import Flask

from infra.local.ports import LOOPBACK
from infra.serving.limits import RequestLimits
from infra.serving.worker import ServedApp, Worker

ANSWER_SECONDS = 20
QUICK = "/quick"

Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Answer(NamedTuple):
    """A response. `headers`: names in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes


def echo(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """An application that returns the method, the path and the body."""
    start_response("200 OK", [])
    return [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} ".encode(), environ["wsgi.input"].read()]


class Client:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    def send(self, data: bytes) -> Self:
        """Sends bytes, without waiting."""
        self.writer.write(data)
        return self

    def ask(self, method: str = "GET", path: str = "/", *lines: str, body: bytes = b"") -> Self:
        """Sends a request with these header lines."""
        return self.send(request(method, path, *lines, body=body))

    async def answer(self, method: str = "GET") -> Answer:
        """Returns the next response. Raises EOFError if the connection is closed without one."""
        async with asyncio.timeout(ANSWER_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
            length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
            return Answer(int(head[0].split()[1]), headers, await self._reader.readexactly(length))

    async def rest(self) -> bytes:
        """Returns everything until the connection is closed."""
        async with asyncio.timeout(ANSWER_SECONDS):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""

    async def part(self, until: bytes) -> bytes:
        """Returns everything up to these bytes."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._reader.readuntil(until)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Closes the connection as a client does that has died."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Served:
    """A worker, and the reasons of its rejections."""

    def __init__(self, limits: RequestLimits, app: Application, end_streams: Callable[[], None] | None = None) -> None:
        self.rejections: list[str] = []
        self.closed = 0
        flask = Flask(__name__)
        flask.wsgi_app = app  # type: ignore[method-assign,assignment]  # the application itself is not the subject
        served = ServedApp(flask, self.rejections.append, self._close, end_streams, frozenset({QUICK}))
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self.worker = Worker(served, limits, self._listener)

    async def connect(self) -> Client:
        """Opens a connection."""
        return Client(*await asyncio.open_connection(LOOPBACK, self.port))

    def _close(self) -> None:
        self.closed += 1


@asynccontextmanager
async def serving(limits: RequestLimits, app: Application = echo, **more: Any) -> AsyncIterator[Served]:
    """Serves until the end of the block."""
    served = Served(limits, app, **more)
    running = asyncio.create_task(served.worker.run())
    try:
        yield served
    finally:
        served.worker.stop()
        await running


def request(method: str = "GET", path: str = "/", *lines: str, body: bytes = b"") -> bytes:
    """Returns a request as bytes. A body is announced by its length."""
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, *length, "", ""]).encode("latin-1") + body
