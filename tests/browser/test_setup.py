"""The page *Set-up* in a real browser, on the real processes and the stand-in for Meta: a new installation turns green
step by step, from the first handshake to the first real message, and what is optional stays off."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize, expect

from infra.local.graph.server import GraphOptions
from infra.local.ports import LOOPBACK, free_port
from infra.passwords import Passwords
from infra.postgres.console.people import create
from tests.flow.conftest import Install
from tests.support.chromium import MISSING, program, signed_in
from tests.support.graph import ACCOUNT, CUSTOMER, NUMBER, NUMBERS, TOKEN, Graph, graph_running
from tests.support.pages import assert_accessible, cut_off, watched
from tests.support.payloads import body, value_of
from tests.support.shop import OWNER, PASSWORD
from tests.support.system import System
from tests.support.waiting import wait_until
from tests.support.webhook_app import AGENTS_SECRET, APP_SECRETS, SOFTBOT_SECRET, VERIFY_TOKEN, from_meta, from_ours

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]

PHONE: ViewportSize = {"width": 390, "height": 800}
SHOWN = "+44 20 7946 0001"


@dataclass
class NewInstallation:
    """An installation on which nothing has happened, with Meta's stand-in, whose token only the sender has."""

    system: System
    graph: Graph
    address: str

    @property
    def webhook(self) -> str:
        return f"http://{LOOPBACK}:{self.system.webhook_port}/webhooks"

    def handshake(self, token: str) -> int:
        asked = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": token}
        return httpx.get(f"{self.webhook}/whatsapp", params=asked).status_code

    def meta_posts(self, document: dict[str, Any], secret: str = APP_SECRETS[0]) -> int:
        content = json.dumps(document).encode()
        return httpx.post(f"{self.webhook}/whatsapp", content=content, headers=from_meta(content, secret)).status_code

    def reports(self, source: str, kind: str, secret: str, **data: object) -> int:
        """A Softbot or an agent desktop reports."""
        event = {"specversion": "1.0", "id": kind, "source": "/test", "type": kind, "data": data}
        content = json.dumps(event | {"time": "2026-01-01T10:00:00Z"}).encode()
        return httpx.post(f"{self.webhook}/{source}", content=content, headers=from_ours(content, secret)).status_code


@pytest.fixture(scope="module")
def new(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewInstallation]:
    with (
        install(tmp_path_factory.mktemp("setup")) as system,
        psycopg.connect(system.dsn, autocommit=True) as database,
        graph_running(GraphOptions(TOKEN, APP_SECRETS[0], system.webhooks.url, NUMBERS)) as graph,
    ):
        graph.call("DELETE", f"/v24.0/{ACCOUNT}/subscribed_apps")
        create(database, OWNER, Passwords().hash(PASSWORD), level="tenant_administrator")
        console_port = free_port()
        system.run(
            *("webhook", "conversations", "commands", "relay", "sender", "mails", "console"),
            console_port=console_port,
            webhook_url=system.webhooks.url,
            graph_url=graph.url,
            whatsapp_access_token=TOKEN,
            whatsapp_accounts=ACCOUNT,
        )
        yield NewInstallation(system, graph, f"http://{LOOPBACK}:{console_port}")


@pytest.fixture(scope="module")
def owner(browser: Browser, new: NewInstallation) -> BrowserContext:
    return signed_in(browser, new.address, OWNER, PASSWORD)


def step(page: Page, name: str) -> Locator:
    return page.locator(f"#step-{name}")


def is_now(page: Page, name: str, state: str, *texts: str) -> None:
    """Waits until a step has this state and says these texts. The page is not loaded again: it looks every few seconds,
    and at once when somebody comes back to it."""

    def is_seen() -> bool:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        found = step(page, name)
        said = found.locator(".step-state").first.inner_text(), found.inner_text()
        return said[0] == state and all(text in said[1] for text in texts)

    wait_until(is_seen, seconds=60, step=0.3)


def test_a_new_installation_turns_green_step_by_step(owner: BrowserContext, page: Page, new: NewInstallation) -> None:
    page.goto("/unmanaged")
    page.get_by_text("Administration", exact=True).first.click()
    page.get_by_role("link", name="Set-up", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set-up")
    is_now(page, "administrator", "Done")
    is_now(page, "clocks", "Done", "PostgreSQL", "Kafka", "Meta")
    for name in ("certificates", "mtls", "sending", "softbot", "desk", "mails", "files"):
        is_now(page, name, "Off")
    is_now(page, "handshake", "To do", f"{new.system.webhooks.url}/webhooks/whatsapp")
    is_now(page, "templates", "Done", "Templates read")
    assert_accessible(page)

    assert 403 == new.handshake("of another app")
    is_now(page, "handshake", "Trouble", "another verify token")
    assert 200 == new.handshake(VERIFY_TOKEN)
    is_now(page, "handshake", "Done", "Meta has verified the callback URL")

    sample = body("text")
    value_of(sample)["metadata"]["phone_number_id"] = "123456123"
    assert 401 == new.meta_posts(sample, "the secret of another app")
    is_now(page, "signature", "Trouble", "another app secret")
    assert 200 == new.meta_posts(sample)
    is_now(page, "signature", "Done", "the sample of the test button arrived")

    is_now(page, "subscribed", "Trouble", "no app is subscribed", f"POST /{ACCOUNT}/subscribed_apps")
    assert_accessible(page)
    assert 200 == new.graph.call("POST", f"/v24.0/{ACCOUNT}/subscribed_apps").status
    page.get_by_role("button", name="Ask Meta now").click()
    is_now(page, "subscribed", "Done", "subscribed: WitiOp")

    is_now(page, "fields", "To do", "Tick messages")
    new.graph.control.customer_writes(phone_number_id=NUMBER, wa_id=CUSTOMER, name="Ada", text="Good morning")
    is_now(page, "fields", "Done")
    is_now(page, "numbers", "Trouble", SHOWN, "the directory does not have it")

    page.get_by_role("button", name=f"Add to the directory: {SHOWN}").click()
    expect(page.get_by_role("heading", name="Saved", exact=True)).to_be_visible()
    page.goto("/setup")
    is_now(page, "directory", "Done", "Version")
    is_now(page, "numbers", "Done", "last message")

    echo = body("echo_text")
    value_of(echo)["metadata"]["phone_number_id"] = NUMBER
    assert 200 == new.meta_posts(echo)
    is_now(page, "numbers", "Done", "last answer from the phone app")
    customer = {"phone_number_id": NUMBER, "customer": {"wa_id": CUSTOMER}}
    assert 401 == new.reports("softbot", "witiop.softbot.session.started.v1", AGENTS_SECRET, session_id="s", **customer)
    is_now(page, "softbot", "Trouble", "WITIOP_SOFTBOT_SECRETS")
    assert 200 == new.reports(
        "softbot", "witiop.softbot.session.started.v1", SOFTBOT_SECRET, session_id="s", **customer
    )
    is_now(page, "softbot", "Done")
    assert 200 == new.reports(
        "agents", "witiop.agents.presence.changed.v1", AGENTS_SECRET, agent_id="anna", state="ready"
    )
    is_now(page, "desk", "Done", "An agent desktop reports")
    expect(page.locator(".step-state.trouble")).to_have_count(0)
    assert_accessible(page)

    page.set_viewport_size(PHONE)
    assert [] == cut_off(page)
    assert_accessible(page)


def test_the_page_is_italian_for_who_reads_italian(
    browser: Browser, owner: BrowserContext, new: NewInstallation
) -> None:
    context = browser.new_context(base_url=new.address, storage_state=owner.storage_state(), locale="it-IT")
    with watched(context) as page:
        page.goto("/setup")
        expect(page.get_by_role("heading", level=1)).to_have_text("Configurazione")
        expect(step(page, "sending").locator(".step-state")).to_have_text("Spento")
        assert_accessible(page)
        page.set_viewport_size(PHONE)
        assert [] == cut_off(page)
    context.close()


def test_doctor_says_the_same(new: NewInstallation) -> None:
    settings = {"whatsapp_access_token": TOKEN, "whatsapp_accounts": ACCOUNT, "webhook_url": new.system.webhooks.url}
    said = new.system.witiop("doctor", "--json", **settings)
    states = {each["id"]: each["state"] for each in json.loads(said.out)["steps"]}
    assert ("done", "done", "off", "off") == tuple(
        states[name] for name in ("handshake", "numbers", "mails", "sending")
    )
