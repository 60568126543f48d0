"""`witiop run webhook` as a process of its own, and a sender who may do to it what HTTP clients never would."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from domain.topics import Topics
from infra.local.ports import LOOPBACK, free_port
from tests.support.process_tree import tree
from tests.support.waiting import wait_until
from tests.support.webhook_app import AGENTS_SECRET, APP_SECRETS, SOFTBOT_SECRET, VERIFY_TOKEN, from_meta

PATH = "/webhooks/whatsapp"


class WebhookProcess:
    """It listens when made; whether it is ready is another question. `settings`: more variables of its environment."""

    def __init__(self, bootstrap: str, topics: Topics, log: Path, **settings: str) -> None:
        self.port = free_port()
        self.log = log
        environment = os.environ | {
            "WITIOP_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "WITIOP_KAFKA_TOPIC_PREFIX": topics.prefix,
            "WITIOP_WHATSAPP_APP_SECRETS": ",".join(APP_SECRETS),
            "WITIOP_WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
            "WITIOP_SOFTBOT_SECRETS": SOFTBOT_SECRET,
            "WITIOP_AGENTS_SECRETS": AGENTS_SECRET,
            "WITIOP_WEBHOOK_PORT": str(self.port),
            "WITIOP_MONITOR_PORT": str(free_port()),
        }
        self.monitor_port = environment["WITIOP_MONITOR_PORT"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "witiop", "run", "webhook"],
                env=environment | settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.http = httpx.Client(base_url=f"http://{LOOPBACK}:{self.port}", timeout=15)
        wait_until(lambda: self.process.poll() is not None or self._answers("/healthz"))

    def ready(self) -> bool:
        """Whether it says that it can do its work."""
        return self._answers("/readyz")

    def post(self, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, float]:
        """What Meta gets for a body, signed if no headers are given, and after how many seconds."""
        began = time.monotonic()
        answer = self.http.post(PATH, content=body, headers=from_meta(body) if headers is None else headers)
        return answer.status_code, time.monotonic() - began

    def connect(self) -> socket.socket:
        """A connection to write bytes to."""
        return socket.create_connection((LOOPBACK, self.port), timeout=20)

    def memory(self) -> int:
        """Bytes that it and its workers hold."""
        return sum(process.memory_info().rss for process in tree(self.process.pid))

    def metrics(self) -> str:
        """What its monitor tells Prometheus."""
        return httpx.get(f"http://{LOOPBACK}:{self.monitor_port}/metrics").text

    def end(self) -> None:
        """Stop it if it still runs; who wants to see how it ends does so before."""
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)

    def _answers(self, path: str) -> bool:
        try:
            return self.http.get(path).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def webhook_process(bootstrap: str, topics: Topics, log: Path, **settings: str) -> Iterator[WebhookProcess]:
    """One that is ready."""
    webhook = WebhookProcess(bootstrap, topics, log, **settings)
    try:
        wait_until(webhook.ready)
        yield webhook
    finally:
        webhook.end()


def head(headers: dict[str, str], *more: str) -> bytes:
    """The head of a POST as bytes; `more` are further lines."""
    lines = [f"POST {PATH} HTTP/1.1", "Host: webhook", *(f"{name}: {value}" for name, value in headers.items()), *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def status_of(connection: socket.socket) -> int | None:
    """The status of the answer on a connection; None when it is closed without one."""
    line = connection.makefile("rb").readline()
    return int(line.split()[1]) if line else None
