"""*Analytics* in a real browser, on the real processes: what happened to customers is in the numbers, and a number
leads to them."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.chromium import MISSING, program
from tests.support.pages import assert_accessible, cut_off, watched
from tests.support.shop import Shop
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]


def test_a_number_of_the_page_leads_to_its_customers(
    page: Page, shop: Shop, browser: Browser, owner: BrowserContext
) -> None:
    shop.start("relay", "analytics")
    counted = "select coalesce(sum(opened), 0) from stat_hours where phone_number_id = ''"
    asked = f"select (select count(*) from conversations), ({counted})"
    wait_until(lambda: len(set(shop.database.execute(asked).fetchone() or (0, 1))) == 1)

    page.goto("/unmanaged")
    page.get_by_role("link", name="Analytics").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What was left alone")
    assert_accessible(page)
    cell = page.locator(".heat tbody td:not(.all) a").first
    n = int(cell.inner_text())
    cell.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"{n} conversation")
    expect(page.locator("[data-row]")).to_have_count(n)
    assert_accessible(page)
    page.locator("[data-row] a").first.click()
    expect(page.locator("#panel h2").first).to_be_visible()

    page.goto("/analytics")
    page.get_by_role("link", name="7 days").click()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    page.set_viewport_size({"width": 390, "height": 844})
    assert [] == cut_off(page)

    state = owner.storage_state()
    italian = browser.new_context(base_url=shop.address, storage_state=state, locale="it-IT")
    with watched(italian) as at_home:
        at_home.goto("/analytics")
        expect(at_home.get_by_role("heading", level=1)).to_have_text("Chi è rimasto solo")
        assert_accessible(at_home)
    italian.close()
