"""Alarms in a real browser: the line on every page, a channel and its test, and what a person is told."""

import json
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from domain.alarms.kinds import AlarmKind
from infra.postgres.alarms.alarms import AlarmToRaise, end_alarm, raise_alarm
from tests.support.chromium import MISSING, program
from tests.support.listener import listening
from tests.support.pages import assert_accessible, cut_off
from tests.support.shop import Shop
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]

LAG = "Incoming messages are processed 7 minutes late"
PHONE: ViewportSize = {"width": 390, "height": 800}
DESK: ViewportSize = {"width": 1280, "height": 800}


def looks(page: Page, seen: str) -> None:
    """Waits until the line has this class. A page asks when somebody comes back to it, and every fifteen seconds."""

    def is_seen() -> bool:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        return page.locator("#health").get_attribute("class") == seen

    wait_until(is_seen, seconds=30, step=0.5)


def test_an_open_page_says_what_is_wrong_what_to_do_and_that_it_is_over(page: Page, shop: Shop) -> None:
    page.goto("/unmanaged")
    line = page.get_by_role("region", name="State of the installation")
    expect(line).to_contain_text("Last message from WhatsApp")
    raise_alarm(shop.database, AlarmToRaise(AlarmKind.LAG, "", {"minutes": 7}, None, datetime.now(UTC)))
    looks(page, "red")
    expect(line).to_contain_text(f"{LAG}. Check that the process conversations")
    assert_accessible(page)
    line.get_by_role("link", name="Open").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Alarms")
    row = page.get_by_role("table", name="Open alarms").get_by_role("row", name=LAG)
    assert_accessible(page)
    row.get_by_role("button", name=f"Silence: {LAG}").click()
    expect(row).to_contain_text("until")
    looks(page, "well")
    row.get_by_role("button", name=f"End the silence: {LAG}").click()
    looks(page, "red")
    page.set_viewport_size(PHONE)
    assert [] == cut_off(page)
    page.set_viewport_size(DESK)
    end_alarm(shop.database, AlarmKind.LAG, "", datetime.now(UTC))
    looks(page, "well")


def test_a_channel_is_added_and_a_test_says_that_it_arrived(page: Page, shop: Shop) -> None:
    shop.start("alarms")
    with listening() as team:
        page.goto("/alarms")
        page.get_by_role("button", name="Add a channel").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name", exact=True).fill("Sales")
        dialog.get_by_label("Address of the webhook").fill("http://example.com/hook")
        dialog.get_by_role("button", name="Add").click()
        expect(dialog.get_by_role("alert")).to_have_text("The address must begin with https://.")
        assert_accessible(page)
        dialog.get_by_label("Address of the webhook").fill(f"{team.url}/secret-path")
        dialog.get_by_role("button", name="Add").click()
        expect(dialog).to_contain_text("It is shown only now.")
        assert_accessible(page)
        dialog.get_by_role("link", name="Done").click()
        row = page.get_by_role("table", name="Channels").get_by_role("row", name="Sales")
        row.get_by_role("button", name="Send a test: Sales").click()
        expect(row).to_contain_text("Arrived")
        assert "secret-path" not in page.content()
        texts = [json.loads(each.body)["text"] for each in team.received]
    assert any("A test of the channel Sales" in text for text in texts)


def test_a_person_sees_in_title_and_icon_that_customers_run_out(page: Page, shop: Shop) -> None:
    page.goto("/account")
    page.get_by_role("link", name="Choose what you are told").click()
    assert_accessible(page)
    page.get_by_label("Less time left than").select_option("60")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    shop.customer_writes(shop.customer("Lidia Tardi"), "Is anybody there?", ago="23:30")
    icon = page.locator("link[rel=icon]")

    def is_told() -> bool:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        return " ⚠ · " in page.title()

    wait_until(is_told, seconds=30, step=0.5)
    assert "icon-alarm" in (icon.get_attribute("href") or "")
    expect(page.locator("#health .due")).to_contain_text("less than 60 minutes left")
    assert_accessible(page)
    page.get_by_role("button", name="Tell me nothing").click()
    expect(page.locator("#health .due")).to_have_count(0)
    assert "⚠" not in page.title()
