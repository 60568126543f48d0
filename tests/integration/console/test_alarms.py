"""Alarms in the console: the line on every page, the page of alarms, channels, and what a person wants to be told."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape

import pytest

from console.health.cache import HealthCache
from domain.alarms.kinds import AlarmKind
from infra.postgres.alarms.alarms import AlarmToRaise, end_alarm, raise_alarm
from infra.postgres.alarms.judgements import store_judgement
from infra.postgres.alarms.personal import personal_alarm
from infra.postgres.connections.clock import database_now
from tests.support.console import BOSS, Browser, Console, open_console

HOOK = "https://hooks.slack.com/services/T0/B0/secretpath"
LAG = "Incoming messages are processed 3 minutes late"


def raises(console: Console, kind: AlarmKind = AlarmKind.LAG, key: str = "", **details: int | str) -> None:
    alarm = AlarmToRaise(kind, key, details or {"minutes": 3}, None, datetime.now(UTC))
    raise_alarm(console.office.connection, alarm)


def line(browser: Browser, path: str = "/health-line") -> str:
    """The text of the line, and its class."""
    page = browser.get(path).text
    found = re.search(r'<section id="health"[^>]*>.*?</section>', page, re.DOTALL)
    assert found is not None
    return unescape(found[0])


@pytest.fixture
def fresh(database: str) -> Iterator[Console]:
    """A console that reads at every page."""
    with open_console(database, health=HealthCache(seconds=0.0)) as console:
        yield console


def judged(console: Console) -> None:
    connection = console.office.connection
    store_judgement(connection, {}, {}, database_now(connection))


def test_an_empty_first_installation_says_what_to_do(fresh: Console) -> None:
    judged(fresh)
    for path in ("/unmanaged", "/account", "/alarms"):
        found = line(fresh.signed_in(), path)
        assert "Nothing has come from WhatsApp yet" in found
        assert "docs/whatsapp.md" in found


def test_a_working_installation_says_when_it_last_heard_from_whatsapp(fresh: Console) -> None:
    fresh.office.customer_writes(hours_ago=0.1)
    judged(fresh)
    found = line(fresh.signed_in())
    assert 'class="well"' in found
    assert "Last message from WhatsApp just now" in found or "min" in found


def test_the_line_is_amber_or_red_with_the_cure_and_well_again(fresh: Console) -> None:
    fresh.office.customer_writes(hours_ago=0.1)
    judged(fresh)
    browser = fresh.signed_in()
    raises(fresh, AlarmKind.UNKNOWN_SENDS, count=2)
    amber = line(browser)
    assert ('class="amber"' in amber, 'href="/messages/unknown"' in amber) == (True, True)
    raises(fresh)
    red = line(browser)
    assert ('class="red"' in red, LAG in red, "1 more alarm" in red) == (True, True, True)
    for kind in (AlarmKind.LAG, AlarmKind.UNKNOWN_SENDS):
        end_alarm(fresh.office.connection, kind, "", datetime.now(UTC))
    assert 'class="well"' in line(browser)


def test_the_line_says_that_nobody_looks(fresh: Console) -> None:
    fresh.office.customer_writes(hours_ago=0.1)
    assert "the process alarms is running" in line(fresh.signed_in())


def test_many_pages_read_the_health_once(console: Console) -> None:
    """What is wrong appears a few seconds later."""
    browser = console.signed_in()
    line(browser)
    raises(console)
    assert LAG not in line(browser)
    console.deps.health.forget()
    assert LAG in line(browser)


def test_nobody_sees_the_line_before_they_sign_in(fresh: Console) -> None:
    assert 'id="health"' not in fresh.browser().get("/sign-in").text


def test_an_alarm_is_silenced_from_the_page_and_told_again(fresh: Console) -> None:
    raises(fresh)
    browser = fresh.signed_in()
    page = browser.get("/alarms").text
    assert (LAG in page, "(1) Alarms" in page) == (True, True)
    assert 303 == browser.post("/alarms/silence", kind="lag", key="", hours="4", csrf=browser.token()).status_code
    assert 'class="red"' not in line(browser)
    assert "End the silence" in browser.get("/alarms").text
    browser.post("/alarms/silence", kind="lag", key="", hours="0", csrf=browser.token())
    assert 'class="red"' in line(browser)
    assert ["silence", "silence_ended"] == [entry["detail"]["what"] for entry in fresh.audited("alarms_changed")]
    assert 422 == browser.post("/alarms/silence", kind="lag", hours="3", csrf=browser.token()).status_code


def test_past_alarms_are_listed(fresh: Console) -> None:
    for n in range(27):
        raises(fresh, AlarmKind.PARKED, f"w{n}", worker=f"worker {n}", count=1)
        end_alarm(fresh.office.connection, AlarmKind.PARKED, f"w{n}", datetime.now(UTC))
    browser = fresh.signed_in()
    first = browser.get("/alarms").text
    assert ("No alarm is open." in first, "worker 26" in first, "worker 0 " in first) == (True, True, False)
    after = re.search(r'href="(/alarms\?after=[^"#]+)', first)
    assert after is not None
    assert "worker 0 " in browser.get(unescape(after[1])).text


def add(browser: Browser, **fields: str) -> str:
    values = {"name": "sales", "form_of": "text", "address": HOOK, "system": "1", "csrf": browser.token(), **fields}
    return browser.post("/alarms/channels/new", "dialog", **values).text


def test_a_channel_is_added_and_its_address_is_never_shown(fresh: Console) -> None:
    browser = fresh.signed_in()
    assert "Nobody is told yet." in browser.get("/alarms").text
    added = add(browser)
    assert "X-Witiop-Signature-256" in added
    page = browser.get("/alarms").text
    assert ("hooks.slack.com" in page, "secretpath" in page + added) == (True, False)
    assert "already" in add(browser)
    ((address, secret),) = fresh.office.connection.execute("select address, secret from alarm_channels").fetchall()
    assert (address, secret in added) == (HOOK, True)


def test_a_channel_is_changed_and_its_address_stays_if_none_is_typed(fresh: Console) -> None:
    browser = fresh.signed_in()
    add(browser)
    ((channel,),) = fresh.office.connection.execute("select id from alarm_channels").fetchall()
    url = f"/alarms/channels/{channel}/change"
    asked = browser.get(url).text
    assert ("secretpath" in asked, "Change the channel sales" in asked) == (False, True)
    token = browser.token()
    assert 303 == browser.post(url, level="red", language="it", address="", csrf=token).status_code
    columns = "select address, shown, level, language, system from alarm_channels"
    assert fresh.office.connection.execute(columns).fetchall() == [(HOOK, "hooks.slack.com", "red", "it", False)]
    assert "must begin with https" in browser.post(url, "dialog", address="http://example.com", csrf=token).text
    assert 303 == browser.post(url, address="https://chat.example.com/hook", csrf=token).status_code
    assert fresh.office.connection.execute(columns).fetchall() == [
        ("https://chat.example.com/hook", "chat.example.com", "amber", "en", False)
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"address": "http://example.com"}, "must begin with https"),
        ({"address": "nowhere"}, "not a web address"),
        ({"form_of": "mail", "address": "a@example.com, b"}, "email addresses is not valid"),
        ({"name": ""}, "1 to 60 characters"),
    ],
)
def test_a_channel_that_could_not_be_told_is_not_added(console: Console, fields: dict[str, str], why: str) -> None:
    browser = console.signed_in()
    found = add(browser, **fields)
    assert why in found
    assert "secretpath" not in found
    assert "Nobody is told yet." in browser.get("/alarms").text


def test_a_test_says_whether_it_arrived(fresh: Console) -> None:
    browser = fresh.signed_in()
    add(browser)
    ((channel,),) = fresh.office.connection.execute("select id from alarm_channels").fetchall()
    state = browser.post(f"/alarms/channels/{channel}/test", f"told-{channel}", csrf=browser.token()).text
    assert ("Sending …" in state, "hx-trigger" in state) == (True, True)
    fresh.office.connection.execute(
        "update alarm_deliveries set state = 'failed', settled_at = now(), problem = 'http_404'"
    )
    state = browser.get(f"/alarms/channels/{channel}/state").text
    assert ("status 404" in state, "hx-trigger" in state) == (True, False)
    assert 303 == browser.post(f"/alarms/channels/{channel}/remove", csrf=browser.token()).status_code
    assert 404 == browser.get(f"/alarms/channels/{channel}/state").status_code
    assert "No alarm is open." in browser.get("/alarms").text


def test_a_person_chooses_what_they_are_told_and_pages_count_it(fresh: Console) -> None:
    fresh.office.customer_writes(hours_ago=23.5)
    browser = fresh.signed_in()
    assert "data-count" not in line(browser)
    browser.post("/account/alarms", minutes="60", sound="1", csrf=browser.token())
    found = line(browser)
    assert ('data-count="1"' in found, "data-sound" in found, "data-desktop" in found) == (True, True, False)
    assert "1 customer has less than 60 minutes left" in found
    assert 'href="/account/alarms"' in browser.get("/account").text
    browser.post("/account/alarms", minutes="15", skillset="sales", csrf=browser.token())
    assert 'data-count="0"' in line(browser)
    browser.post("/account/alarms", off="1", csrf=browser.token())
    assert personal_alarm(fresh.office.connection, BOSS) is None


def test_agents_and_campaign_managers_see_the_line_and_no_alarms(fresh: Console) -> None:
    raises(fresh)
    fresh.person("anna", administrator=False)
    browser = fresh.signed_in("anna")
    found = line(browser)
    assert (LAG in found, "href" in found) == (True, False)
    assert {403} == {browser.get(path).status_code for path in ("/alarms", "/account/alarms", "/alarms/channels/new")}
