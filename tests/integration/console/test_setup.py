"""The page *Set-up*: every step as it stands, a number added with one press, and Meta asked at once."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import psycopg
import pytest

from console.health.servers import ServersCache
from domain.setup.seen import CertificateSeen, ServerClock, ServersSeen, SetupTerms
from domain.setup.sightings import Sighting
from infra.postgres import directory
from infra.postgres.connections.hints import SYNC
from infra.postgres.console import people
from infra.postgres.sending import accounts
from infra.postgres.setup.sightings import note_sightings
from tests.support.console import PASSWORD, QUICK, Browser, Console, open_console
from tests.support.waiting import wait_until

URL = "https://hooks.example.com"


@pytest.fixture
def console(database: str) -> Iterator[Console]:
    """A console whose database's clock is wrong and whose certificate ends soon."""
    servers = ServersSeen(
        datetime.now(UTC),
        [ServerClock("PostgreSQL", 90.0)],
        [CertificateSeen("hooks.example.com (webhooks)", datetime.now(UTC) + timedelta(days=3))],
    )
    with open_console(database, set_up=SetupTerms(URL), servers=ServersCache(lambda: servers)) as console:
        yield console


def steps(browser: Browser) -> dict[str, tuple[str, str]]:
    """Returns the state and the text of each step."""
    page = unescape(browser.get("/setup").text)
    found = re.findall(
        r'<li class="setup-step" id="step-(\w+)">\s*<span class="step-state (\w+)">(.*?)</div>\s*</li>', page, re.S
    )
    return {name: (state, " ".join(re.sub(r"<[^>]+>", " ", text).split())) for name, state, text in found}


def seen(console: Console, *sightings: Sighting) -> None:
    note_sightings(console.office.connection, dict.fromkeys(sightings, datetime.now(UTC)))


def test_a_new_installation_is_told_the_next_steps(console: Console) -> None:
    found = steps(console.signed_in())
    assert ("done", "waiting", "waiting") == tuple(found[name][0] for name in ("administrator", "handshake", "fields"))
    assert f"{URL}/webhooks/whatsapp" in found["handshake"][1]
    assert {"off"} == {found[name][0] for name in ("softbot", "desk", "mails", "files", "sending", "mtls")}


def test_steps_turn_green_as_things_are_seen(console: Console) -> None:
    browser = console.signed_in()
    seen(console, Sighting("whatsapp_refused"))
    assert "trouble" == steps(browser)["signature"][0]
    seen(console, Sighting("handshake"), Sighting("whatsapp"), Sighting("field", "messages"))
    seen(console, Sighting("message", "106540352242922"), Sighting("softbot"))
    found = steps(browser)
    for name in ("handshake", "signature", "fields", "numbers", "softbot"):
        assert "done" == found[name][0], (name, found[name])
    assert "just now" in found["numbers"][1]


def test_servers_are_looked_at_behind_the_page(console: Console) -> None:
    browser = console.signed_in()
    steps(browser)
    wait_until(lambda: steps(browser)["clocks"][0] == "trouble")
    found = steps(browser)
    assert "90 seconds ahead" in found["clocks"][1]
    assert ("trouble", True) == (found["certificates"][0], "hooks.example.com (webhooks)" in found["certificates"][1])


def test_a_number_that_customers_write_to_is_added_with_one_press(console: Console) -> None:
    """As a new version of the directory, by the command that the page *Directory* uses too."""
    seen(console, Sighting("message", "770000000000007"))
    browser = console.signed_in()
    page = browser.get("/setup").text
    assert "trouble" == steps(browser)["numbers"][0]
    assert 'id="add-770000000000007"' in page
    version = directory.version(console.office.connection)
    answer = browser.post("/directory/number/seen", of="770000000000007", form="f")
    assert 303 == answer.status_code
    assert [("applied", None)] == console.process_commands()
    assert version + 1 == directory.version(console.office.connection)
    assert "770000000000007" in directory.read(console.office.connection)[1].numbers
    assert "done" == steps(browser)["numbers"][0]


def test_meta_is_asked_at_once(console: Console) -> None:
    """By the sender, which alone has the access token."""
    browser = console.signed_in()
    assert "Ask Meta now" not in browser.get("/setup").text
    accounts.note_failed(console.office.connection, "a", datetime.now(UTC), "Meta's error 190")
    assert "Ask Meta now" in browser.get("/setup").text
    assert "Meta's error 190" in steps(browser)["subscribed"][1]
    with psycopg.connect(console.dsn, autocommit=True) as listener:
        listener.execute(f"listen {SYNC}")
        assert 303 == browser.post("/setup/ask").status_code
        assert [SYNC] == [hint.channel for hint in listener.notifies(timeout=5, stop_after=1)]
    accounts.note_synchronised(console.office.connection, "a", datetime.now(UTC), ["WitiOp"], 0.0)
    assert ("done", True) == (steps(browser)["subscribed"][0], "subscribed: WitiOp" in steps(browser)["subscribed"][1])


def test_only_administrators_see_it(console: Console) -> None:
    people.create(console.office.connection, "eye", QUICK.hash(PASSWORD), level="read_only")
    browser = console.signed_in("eye")
    assert 403 == browser.get("/setup").status_code
    assert 403 == browser.post("/setup/ask").status_code
    assert 'href="/setup"' not in browser.get("/unmanaged").text
    assert 'href="/setup"' in console.signed_in().get("/unmanaged").text


def test_the_line_of_an_empty_installation_leads_there(console: Console) -> None:
    assert 'href="/setup"' in console.signed_in().get("/health-line").text


def test_a_server_that_cannot_be_looked_at_ends_no_page(database: str) -> None:
    def fails() -> ServersSeen:
        raise ValueError

    with open_console(database, servers=ServersCache(fails)) as console:
        browser = console.signed_in()
        assert ["waiting", "waiting"] == [steps(browser)["clocks"][0] for _ in range(2)]
