"""One trace goes from the POST of a webhook to the open lists that show what it changed, across all processes on the
way (docs/design/observability.md); and one from a person's click to the result of the command."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import httpx
import psycopg
import pytest

from infra.local.ports import LOOPBACK, free_port
from infra.passwords import Passwords
from infra.postgres.console import people
from tests.support.canary import MARKS, TEXT, from_canary
from tests.support.collector import Collector, ExportedStep
from tests.support.console import BOSS, PASSWORD, field, hidden
from tests.support.system import System
from tests.support.waiting import wait_until

PROCESSES = ("webhook", "conversations", "commands", "relay", "console")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@contextmanager
def open_list(console: httpx.Client) -> Iterator[list[str]]:
    """Opens the list with its stream, as a browser does; yields the lines that the stream has brought so far."""
    address = re.search(r'id="listen"[^>]*data-from="([^"]+)"', console.get("/unmanaged").text)
    assert address is not None
    lines: list[str] = []
    with console.stream("GET", unescape(address[1]), timeout=60) as stream:

        def read() -> None:
            try:
                lines.extend(stream.iter_lines())
            except httpx.HTTPError:
                return

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        yield lines


def test_one_trace_goes_from_the_post_to_the_open_list_and_has_nothing_of_the_customer(
    system: System, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    port = free_port()
    with psycopg.connect(system.dsn) as connection:
        people.create(connection, BOSS, Passwords().hash(PASSWORD), level="tenant_administrator")
    system.run(*PROCESSES, traces_endpoint=collector.endpoint, console_port=port)
    inbound, topics = system.topics.inbound, system.topics
    with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", follow_redirects=True) as console:
        fields = {"name": BOSS, "password": PASSWORD, "csrf": field(console.get("/").text, "csrf")}
        assert 200 == console.post("/sign-in", data=fields).status_code
        with open_list(console):
            assert 200 == system.webhooks.post(from_canary("0:01", TEXT))
            wait_until(lambda: collector.named("POST /webhooks/whatsapp") != [])
            (root,) = collector.named("POST /webhooks/whatsapp")
            wait_until(
                lambda: {f"publish {topics.conversations}", "look for open lists"} <= steps_after(collector, root)
            )
        (processed,) = collector.children(root)
        assert ("conversations", f"process {inbound}") == (processed.process, processed.name)
        followers = {(each.process, each.name) for each in collector.children(processed)}
        assert {("relay", f"publish {topics.conversations}"), ("console", "look for open lists")} == followers

        with psycopg.connect(system.dsn) as connection:
            (conversation,) = connection.execute("select id from conversations").fetchone() or ("",)
        dialog = f"/conversations/{conversation}/transfer/skillset"
        form = hidden(console.get(dialog).text.rpartition("<main")[2]) | {"to": "sales", "mode": "exclusive"}
        assert 200 == console.post(dialog, data=form).status_code
        wait_until(lambda: collector.named("submit commands") != [])
        (root,) = collector.named("submit commands")
        published = {f"publish {topics.results}", f"publish {topics.conversations}"}
        wait_until(lambda: published <= steps_after(collector, root))
        assert [("commands", f"process {topics.commands}")] == [
            (each.process, each.name) for each in collector.children(root)
        ]

    assert {"webhook", "conversations", "commands", "relay", "console"} == {step.process for step in collector.steps}
    marks = [mark.encode().lower() for mark in (*MARKS, str(conversation))]
    assert [] == [mark for body in collector.raw for mark in marks if mark in body.lower()]


def steps_after(collector: Collector, step: ExportedStep) -> set[str]:
    """The names of all steps below this one."""
    below = collector.children(step)
    return {each.name for each in below} | {name for each in below for name in steps_after(collector, each)}
