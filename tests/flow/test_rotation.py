"""Secrets are replaced while everything runs: no body and no command is refused."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.topics import Topics
from infra.local.ports import free_port
from tests.support.commander import Commander
from tests.support.kafka_topics import new_topics, read_all
from tests.support.payloads import body
from tests.support.system import System
from tests.support.waiting import wait_until
from tests.support.webhook_app import from_meta, from_ours
from tests.support.webhook_process import WebhookProcess

SOURCES = {
    "whatsapp_app_secrets": "/webhooks/whatsapp",
    "softbot_secrets": "/webhooks/softbot",
    "agents_secrets": "/webhooks/agents",
}
"""Secrets by which bodies are verified, and where those are posted to."""
VERIFY_TOKEN = "whatsapp_verify_token"


class Senders:
    """One sender for each webhook. They post without a pause, on connections that they keep, and sign with `secret`."""

    def __init__(self, url: str) -> None:
        self.secret = "old"
        self.answers: Counter[object] = Counter()
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(path,), daemon=True) for path in SOURCES.values()]

    def __enter__(self) -> "Senders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def post_more(self, count: int = 30) -> None:
        """Returns when so many more bodies were answered."""
        before = self.answers.total()
        wait_until(lambda: self.answers.total() >= before + count)

    def _send(self, path: str) -> None:
        with httpx.Client(base_url=self._url, timeout=15) as http:
            for number in range(1_000_000):
                if self._stop.is_set():
                    return
                try:
                    self.answers[path, post(http, path, self.secret, number)] += 1
                except httpx.TransportError as error:
                    self.answers[path, type(error).__name__] += 1
                time.sleep(0.005)


def post(http: httpx.Client, path: str, secret: str, number: int = 0) -> int:
    """Posts one body. Returns the status of the answer."""
    if path == "/webhooks/whatsapp":
        content = json.dumps(body("text")).replace("wamid.", f"wamid.{number}.").encode()
        return http.post(path, content=content, headers=from_meta(content, secret)).status_code
    event: dict[str, Any] = {"specversion": "1.0", "id": f"{path}-{number}", "source": "/test"}
    event |= {"time": "2026-01-01T10:00:00Z", "datacontenttype": "application/json"}
    if path == "/webhooks/agents":
        event |= {"type": "witiop.agents.presence.changed.v1", "data": {"agent_id": "anna", "state": "ready"}}
    else:
        data = {"phone_number_id": "106540352242922", "customer": {"wa_id": "393331234567"}, "session_id": str(number)}
        event |= {"type": "witiop.softbot.session.started.v1", "data": data}
    content = json.dumps(event).encode()
    return http.post(path, content=content, headers=from_ours(content, secret)).status_code


class Files:
    """The files of the webhook's secrets."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.settings: dict[str, Any] = {}
        for name in (*SOURCES, VERIFY_TOKEN):
            self.settings |= {name: "", f"{name}_file": directory / name}

    def write(self, secrets: str, token: str) -> None:
        for name in SOURCES:
            (self._directory / name).write_text(f"{secrets}\n")
        (self._directory / VERIFY_TOKEN).write_text(f"{token}\n")


@contextmanager
def running(kafka: str, topics: Topics, directory: Path, files: Files) -> Iterator[tuple[WebhookProcess, Senders]]:
    """A webhook of two workers under load."""
    webhook = WebhookProcess(kafka, topics, directory, webhook_processes=2, **files.settings)
    try:
        wait_until(webhook.ready)
        with Senders(f"http://127.0.0.1:{webhook.port}") as senders:
            senders.post_more()
            yield webhook, senders
    finally:
        webhook.end()


def read_again(webhook: WebhookProcess, event: str = "server.workers_replaced") -> None:
    """Tells the process to read its files. Returns when it has."""
    before = webhook.worker.log_text().count(event)
    os.kill(webhook.worker.pid, signal.SIGHUP)
    wait_until(lambda: webhook.worker.log_text().count(event) > before)


def handshake(webhook: WebhookProcess, token: str) -> int:
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1"}
    return webhook.http.get("/webhooks/whatsapp", params=query).status_code


def test_every_secret_of_the_webhooks_is_rotated_under_load_without_a_refused_body(kafka: str, tmp_path: Path) -> None:
    topics, files = new_topics(kafka), Files(tmp_path)
    files.write("old", "old token")
    with running(kafka, topics, tmp_path, files) as (webhook, senders):
        assert (200, 403) == (handshake(webhook, "old token"), handshake(webhook, "new token"))

        files.write("new,old", "new token")
        read_again(webhook)
        senders.post_more()
        senders.secret = "new"
        senders.post_more()
        files.write("new", "new token")
        read_again(webhook)
        senders.post_more()

        assert (403, 200) == (handshake(webhook, "old token"), handshake(webhook, "new token"))
        assert [401] * 3 == [post(webhook.http, path, "old") for path in SOURCES.values()]
    assert {(path, 200) for path in SOURCES.values()} == set(senders.answers)
    assert senders.answers.total() <= len(read_all(kafka, topics.inbound))


@pytest.mark.parametrize("content", ["", "new,,"], ids=["empty", "an empty secret"])
def test_a_wrong_file_changes_nothing_and_is_named_in_the_log(kafka: str, tmp_path: Path, content: str) -> None:
    topics, files = new_topics(kafka), Files(tmp_path)
    files.write("old", "token")
    with running(kafka, topics, tmp_path, files) as (webhook, senders):
        (tmp_path / "softbot_secrets").write_text(content)
        read_again(webhook, "settings.not_read_again")
        senders.post_more()
        assert "WITIOP_SOFTBOT_SECRETS_FILE" in webhook.worker.log_text()
    assert {(path, 200) for path in SOURCES.values()} == set(senders.answers)


def test_the_console_reads_its_files_again_without_a_failed_page(system: System, tmp_path: Path) -> None:
    file, port = tmp_path / "command_secrets", free_port()
    file.write_text("old")
    own: dict[str, Any] = {"command_secrets": "", "command_secrets_file": file, "console_port": port}
    (console,) = system.run("console", **own)
    answers: Counter[object] = Counter()
    stop = threading.Event()

    def visit() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=15) as http:
            while not stop.is_set():
                try:
                    answers[http.get("/sign-in").status_code] += 1
                except httpx.TransportError as error:
                    answers[type(error).__name__] += 1

    visitor = threading.Thread(target=visit, daemon=True)
    visitor.start()
    wait_until(lambda: answers.total() > 10)
    file.write_text("new")
    os.kill(console.pid, signal.SIGHUP)
    wait_until(lambda: "server.workers_replaced" in console.log_text())
    before = answers.total()
    wait_until(lambda: answers.total() > before + 10)
    stop.set()
    visitor.join(20)
    assert [200] == list(answers)


def test_the_secret_of_commands_is_rotated_without_a_refused_command(system: System) -> None:
    """First the process that verifies learns the new secret, then those who sign, and at the end it forgets the old
    one. Commands that come while it restarts wait."""
    commander = Commander(system.kafka, system.topics)
    system.run("relay")

    def command(id_: str, secret: str) -> None:
        commander.publish([commander.transfer(id_, UUID(int=0), "user", "anna", "immediate", secret=secret)])

    def restart(secrets: str, signed_with: str) -> None:
        for worker in system.workers:
            if worker.name == "commands" and worker.runs:
                worker.stop()
        command(f"while {secrets} is awaited", signed_with)
        system.run("commands", command_secrets=secrets)

    def reasons(count: int) -> Counter[str]:
        wait_until(lambda: len(commander.results()) == count)
        return Counter(each["reason"] for each in commander.results())

    restart("old", "old")
    restart("new,old", "old")
    command("signed with the old one", "old")
    command("signed with the new one", "new")
    assert {"conversation_unknown": 4} == reasons(4)
    restart("new", "new")
    command("too late", "old")
    assert {"conversation_unknown": 5, "not_authentic": 1} == reasons(6)
