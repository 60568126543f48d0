"""The Graph stand-in in a thread of the test, and a client that calls it as the product does."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple

from infra.local.graph.control import GraphControl
from infra.local.graph.server import LIMITS, GraphOptions, GraphStandIn
from infra.local.ports import LOOPBACK
from infra.serving.worker import Worker

TOKEN = "token of the test"
NUMBER, ACCOUNT = "440000000000001", "330000000000001"
CUSTOMER = "447700900001"
NUMBERS = ((NUMBER, "+44 20 7946 0001", ACCOUNT),)


class Answered(NamedTuple):
    """An answer of the Graph API; status 0: the connection was closed without one. `error`: Meta's code."""

    status: int
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> int | None:
        return self.json.get("error", {}).get("code") if self.content else None

    @property
    def wamid(self) -> str:
        return str(self.json["messages"][0]["id"])


class Graph:
    """A running stand-in. `control`: its switches and its ledger."""

    def __init__(self, url: str, token: str = TOKEN) -> None:
        self.url = url
        self.control = GraphControl(url)
        self._host = url.removeprefix("http://")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: bytes | None = None, timeout: float = 20, **headers: str) -> Answered:
        """Calls a path. Raises TimeoutError if there is no answer in time."""
        connection = HTTPConnection(self._host, timeout=timeout)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {**self._headers, **named})
            response = connection.getresponse()
            return Answered(response.status, response.read())
        except (HTTPException, ConnectionError):
            return Answered(0, b"")
        finally:
            connection.close()

    def post(self, body: dict[str, Any], number: str = NUMBER, timeout: float = 20) -> Answered:
        """Posts a message or a read receipt."""
        return self.call("POST", f"/v24.0/{number}/messages", json.dumps(body).encode(), timeout)

    def send(self, text: str = "Hello", to: str = CUSTOMER, timeout: float = 20, **more: Any) -> Answered:
        """Sends a text."""
        return self.post(message("text", {"body": text}, to=to, **more), timeout=timeout)

    def upload(self, content: bytes, mime_type: str, number: str = NUMBER, **fields: str) -> Answered:
        """Uploads a file as clients do."""
        parts = [
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in ({"messaging_product": "whatsapp", "type": mime_type} | fields).items()
        ]
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: {mime_type}\r\n\r\n'
        body = b"".join([*parts, head.encode(), content, b"\r\n--x--\r\n"])
        return self.call("POST", f"/v24.0/{number}/media", body, Content_Type="multipart/form-data; boundary=x")

    def accepted(self) -> list[str | None]:
        """Returns the callback data of everything that was accepted."""
        return [row["callback"] for row in self.control.ledger()]


@contextmanager
def graph_running(options: GraphOptions | None = None, **more: Any) -> Iterator[Graph]:
    """Runs a stand-in on a free port in a thread. `more`: options."""
    chosen = options or GraphOptions(**{"token": TOKEN, "numbers": NUMBERS, **more})
    listener = socket.create_server((LOOPBACK, 0), backlog=1024)
    started: list[tuple[asyncio.AbstractEventLoop, Worker]] = []
    ready = threading.Event()

    async def run() -> None:
        worker = Worker(GraphStandIn(chosen), LIMITS, listener)
        started.append((asyncio.get_running_loop(), worker))
        ready.set()
        await worker.run()

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="graph")
    thread.start()
    try:
        assert ready.wait(20)
        yield Graph(f"http://{LOOPBACK}:{listener.getsockname()[1]}", chosen.token)
    finally:
        for loop, worker in started:
            loop.call_soon_threadsafe(worker.stop)
        thread.join()


def message(kind: str, content: object, to: str = CUSTOMER, **more: Any) -> dict[str, Any]:
    """Returns the body of a message."""
    return {"messaging_product": "whatsapp", "to": to, "type": kind, kind: content, **more}


def template(name: str, *parameters: str, language: str = "en", **more: Any) -> dict[str, Any]:
    """Returns the body of a template message with these parameters of its body."""
    texts = [{"type": "text", "text": text} for text in parameters]
    components = [{"type": "body", "parameters": texts}] if texts else []
    content = {"name": name, "language": {"code": language}, "components": components}
    return message("template", content, **more)
