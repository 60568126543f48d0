"""Rescue rules in a browser: one is written as a sentence, tried, switched on, acts with nobody watching, is undone."""

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.chromium import MISSING, program
from tests.support.pages import assert_accessible, cut_off, watched
from tests.support.shop import Shop
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]


def assert_fits(page: Page) -> None:
    """Nothing is cut off on a phone and on a desktop, and axe finds no violation in light and dark."""
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert [] == cut_off(page), (page.url, width)
    assert_accessible(page)


def test_a_rule_is_written_tried_switched_on_and_acts_with_nobody_watching(
    browser: Browser, owner: BrowserContext, page: Page, shop: Shop
) -> None:
    customer = shop.customer("Tea Tandem")
    id_ = shop.customer_writes(customer, "Vorrei un tandem zefiro", ago="0:30")
    page.goto("/rules")
    page.get_by_role("link", name="+ New rule").click()
    page.get_by_label("Name of the rule").fill("Evening rescue")
    page.locator("#add-condition").click()
    page.get_by_role("button", name="what the customer wrote", exact=True).click()
    page.get_by_label("Words, one a line").fill("tandem zefiro")
    page.locator("summary", has_text="Numbers:").click()
    page.get_by_label("Negozio").check()
    expect(page.locator("summary", has_text="Numbers:")).to_contain_text("Negozio")
    page.get_by_label("For whom").select_option(label="Vendite")
    assert_fits(page)
    page.get_by_role("button", name="Dry run", exact=True).click()
    expect(page.get_by_text("Not saved yet.")).to_be_visible()
    page.get_by_role("link", name=re.compile("^The list now")).click()
    expect(page.get_by_text("Would act on 1 customer on the list.")).to_be_visible()
    expect(page.locator("#trial")).to_contain_text("Tea Tandem")
    assert_fits(page)
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("Saved: it counts from now on.")).to_be_visible()
    expect(page.get_by_role("switch", name="Evening rescue")).to_be_checked()
    shop.start("rules", "relay")
    done = page.locator(".did tbody tr", has_text="Tea Tandem")
    undo = done.get_by_role("button", name="Undo")
    wait_until(lambda: page.goto("/rules") is not None and undo.count() > 0)
    expect(done).to_contain_text("Reserved for Vendite")
    assert_fits(page)
    undo.click()
    expect(page.locator(".notice").filter(has_text="Recall")).to_be_visible()
    wait_until(lambda: page.goto("/rules") is not None and undo.count() == 0)
    expect(done).to_contain_text("on the list")
    page.goto(f"/unmanaged?open={id_}&tab=info")
    expect(page.get_by_text("Reserved for Vendite by the rule Evening rescue.")).to_be_visible()
    page.goto("/rules")
    page.get_by_role("button", name="Stop all rules").click()
    expect(page.get_by_role("alert").filter(has_text="All rules are stopped since")).to_be_visible()
    assert_fits(page)
    italian = browser.new_context(base_url=shop.address, storage_state=owner.storage_state(), locale="it-IT")
    with watched(italian) as own:
        own.goto("/rules?rule=evening-rescue")
        expect(own.get_by_role("heading", name="Regole di salvataggio")).to_be_visible()
        assert_fits(own)
    italian.close()
    page.get_by_role("button", name="Let rules act again").click()
    expect(page.get_by_role("button", name="Stop all rules")).to_be_visible()
