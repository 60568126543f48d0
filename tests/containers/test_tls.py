"""TLS in front, by the Caddyfile that deployers use: what comes through, and what does not."""

import json
import threading
import time

import httpx
import pytest

from infra.local.simulator import bodies
from infra.local.simulator.bike_shop import SHOP
from infra.local.simulator.bodies import SimulatedCustomer, WebhookPost, signature
from infra.local.simulator.chat import Story
from infra.process.clock import utc_now
from tests.containers.deployment import HOST, Deployment
from tests.support.waiting import wait_until
from webhook.app import MAX_BODY_BYTES

_LONGEST_TEXT = "x" * 4096
_NUMBER = bodies.BusinessNumber("550200000000009", "+39 300 555 0098", "550200000000000")


@pytest.fixture(scope="module")
def public(deployment: Deployment) -> httpx.Client:
    """Somebody on the internet, who trusts the certificate."""
    return httpx.Client(base_url=deployment.url, verify=deployment.authority, timeout=30)


def largest_body() -> WebhookPost:
    """Returns a body of nearly 3 MiB, as Meta posts when it has much to report."""
    many = MAX_BODY_BYTES // 4350
    senders = [SimulatedCustomer("", f"39300556{n:04}") for n in range(many)]
    now = utc_now()
    messages = [
        bodies.message(sender, f"wamid.large.{now.timestamp()}.{n}", now, "text", text={"body": _LONGEST_TEXT})
        for n, sender in enumerate(senders)
    ]
    return bodies.from_meta(_NUMBER, messages=messages, senders=senders)


def post(client: httpx.Client, deployment: Deployment, body: bytes) -> int:
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature(deployment.app_secret, body)}
    return client.post("/webhooks/whatsapp", content=body, headers=headers).status_code


def test_meta_s_handshake_succeeds_over_tls(deployment: Deployment, public: httpx.Client) -> None:
    asked = {
        "hub.mode": "subscribe",
        "hub.verify_token": deployment.values["WITIOP_WHATSAPP_VERIFY_TOKEN"],
        "hub.challenge": "4711",
    }
    assert "4711" == public.get("/webhooks/whatsapp", params=asked).text


def test_a_body_of_three_mebibytes_is_accepted_and_stored_and_a_larger_one_is_refused(
    deployment: Deployment, public: httpx.Client
) -> None:
    largest = largest_body()
    assert MAX_BODY_BYTES * 0.95 < len(largest.body) <= MAX_BODY_BYTES
    assert 200 == post(public, deployment, largest.body)
    asked = "select count(*) from entries where detail->>'phone_number_id' = %s"
    wait_until(lambda: deployment.query(asked, _NUMBER.phone_number_id) == [(largest.updates,)], step=0.5)
    assert 413 == post(public, deployment, largest.body + b" " * MAX_BODY_BYTES)


def test_a_change_of_the_list_passes_through_at_once(deployment: Deployment) -> None:
    """The stream of server-sent events is not buffered: it is still open when the change arrives."""
    customer = SimulatedCustomer("Franca", "393005557009")
    came: list[float] = []
    with deployment.browser() as browser, browser.stream("GET", "/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert "retry: 2000" == next(lines)

        def listen() -> None:
            for line in lines:
                if "Franca" in line or line.startswith(("event:", "data:")):
                    came.append(time.monotonic())
                    return

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        story = Story("through tls", utc_now())
        story.chat(SHOP, customer).writes("0:01", "Anybody there?")
        for told in story.posts:
            deployment.webhooks.deliver(told.post)
        deployment.conversation_of(str(customer.wa_id))
        stored = time.monotonic()
        wait_until(lambda: came, 20, step=0.05)
    assert came[0] - stored < 5


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_nobody_outside_asks_the_processes_how_they_are(public: httpx.Client, path: str) -> None:
    assert (404, b"") == (public.get(path).status_code, public.get(path).content)


def test_only_the_webhooks_and_the_console_are_there(deployment: Deployment, public: httpx.Client) -> None:
    """Everything below /webhooks/ is the webhook's, everything else the console's; without TLS one is sent to it."""
    assert 401 == public.post("/webhooks/whatsapp", content=b"{}").status_code
    assert 404 == public.get("/webhooks/other").status_code
    assert "X-Console" not in public.get("/webhooks/other").headers
    page = public.get("/", follow_redirects=True)
    assert (200, "1") == (page.status_code, page.headers["X-Console"])
    assert "max-age" in page.headers["Strict-Transport-Security"]
    assert {True} == {cookie.secure for cookie in public.cookies.jar}
    plain = httpx.get(f"http://{HOST}:{deployment.http_port}/unmanaged")
    assert (308, f"https://{HOST}/unmanaged") == (plain.status_code, plain.headers["Location"])


def test_a_sign_in_is_recorded_with_the_address_of_the_person(deployment: Deployment) -> None:
    """Not with the proxy's: an address that somebody invents in X-Forwarded-For is ignored."""
    with deployment.browser() as browser:
        browser.get("/unmanaged", headers={"X-Forwarded-For": "203.0.113.7"})
    (proxy,) = deployment.containers_of("caddy")
    addresses = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    of_the_proxy = deployment.docker("inspect", "--format", addresses, proxy.id).split()
    seen = {str(row[0]) for row in deployment.query("select distinct address from console_audit where address <> ''")}
    assert of_the_proxy
    assert seen
    assert seen.isdisjoint({*of_the_proxy, "203.0.113.7"})


def test_what_is_inside_cannot_be_reached_from_outside(deployment: Deployment) -> None:
    """Brokers, database and monitors have no port on this machine's addresses."""
    rows = [json.loads(line) for line in deployment.compose("ps", "--format", "json").splitlines()]
    published = {each["PublishedPort"] for row in rows for each in row["Publishers"] or () if each["PublishedPort"]}
    ours = {deployment.webhook_port, deployment.console_port, deployment.http_port, deployment.https_port}
    assert ours == published
