"""What colleagues decide and keep about a conversation, in a real browser: dismissed, noted, tagged, saved, and seen by
two at once."""

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.chromium import MISSING, program, signed_in
from tests.support.pages import RULES, assert_accessible, cut_off, only, row_of, said, violations, watched
from tests.support.shop import OTHER, PASSWORD, Shop

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]


def test_who_needs_no_answer_is_put_away_and_brought_back_with_one_press(page: Page, shop: Shop) -> None:
    customer = shop.customer("Tito Spam")
    shop.customer_writes(customer, "CONGRATULATIONS, you have won", ago="4:00")
    only(page, customer).get_by_role("button", name="Dismiss").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It leaves the list until the customer writes again.")
    dialog.get_by_role("radio", name="Spam").check()
    assert [] == violations(page, RULES)
    dialog.get_by_role("button", name="Dismiss").click()
    said(page, "Dismissed")
    expect(row_of(page, customer.name).locator(".stat")).to_have_text("Dismissed")
    assert page.evaluate("document.activeElement.closest('#list tr')?.id")  # its button is gone, its row is not
    page.goto(f"/unmanaged?status=dismissed&q={customer.wa_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dismissed conversations")
    expect(row_of(page, customer.name)).to_contain_text("Spam")
    assert_accessible(page)
    row_of(page, customer.name).get_by_role("button", name="Put back on the list").click()
    expect(row_of(page, customer.name).locator(".stat")).to_have_text("Active")
    expect(only(page, customer).get_by_role("button", name="Dismiss")).to_be_visible()


@pytest.mark.parametrize(("locale", "width"), [("en-GB", 1440), ("it-IT", 390)])
def test_notes_tags_and_saved_lists_fit_and_can_be_reached(
    locale: str, width: int, browser: Browser, owner: BrowserContext, shop: Shop
) -> None:
    customer = shop.customer(f"Nina Nota {width}")
    conversation = shop.customer_writes(customer, "Vorrei un preventivo", ago="3:00")
    state, size = owner.storage_state(), {"width": width, "height": 860}
    context = browser.new_context(base_url=shop.address, storage_state=state, locale=locale, viewport=size)  # type: ignore[arg-type]
    with watched(context) as page:
        page.goto(f"/unmanaged?open={conversation}&tab=notes")
        page.locator("#kept textarea").fill(f"@{OTHER} can you call her?")
        page.locator("#kept form:has(textarea) .btn").click()
        expect(page.locator(".kept-note")).to_contain_text("Renata Zefiro")
        page.locator("#kept textarea").fill("She is away until")
        page.locator(".add-tag input[name=tag]").fill("#Preventivo")
        page.locator(".add-tag .btn").click()
        expect(page.locator("#kept-tags .tag")).to_contain_text("preventivo")
        expect(page.locator("#add-tag")).to_be_focused()
        expect(page.locator("#kept textarea")).to_have_value("She is away until")
        assert_accessible(page)
        assert [] == cut_off(page)
        page.goto("/unmanaged?tag=preventivo")
        expect(row_of(page, customer.name).locator(".tag").first).to_have_text("preventivo")
        page.locator(".saved summary").click()
        page.locator("#saved-lists input[name=name]").fill(f"Preventivi {width}")
        page.locator("#saved-lists .btn").click()
        expect(page.locator("#saved-lists li").filter(has_text=f"Preventivi {width}")).to_be_visible()
        assert_accessible(page)
        assert [] == cut_off(page)
    context.close()


def test_two_people_see_each_other_at_a_conversation_and_before_an_open_dialog(
    page: Page, browser: Browser, shop: Shop
) -> None:
    customer = shop.customer("Dina Doppia")
    conversation = shop.customer_writes(customer, "Siete in officina domani?", ago="2:00")
    with watched(signed_in(browser, shop.address, OTHER, PASSWORD)) as colleague:
        colleague.goto(f"/unmanaged?open={conversation}")
        page.goto(f"/unmanaged?open={conversation}")
        here = page.locator("#others")
        expect(here).to_have_text("Renata Zefiro is looking at this")
        colleague.locator("#panel-actions").get_by_role("button", name="Transfer to a skillset").click()
        dialog = colleague.get_by_role("dialog")
        expect(dialog.get_by_role("radio", name="Officina")).to_be_checked()
        expect(dialog.locator(".suggestion")).to_have_text(re.compile("The customer wrote “officina”"))
        expect(here).to_have_text("Renata Zefiro is about to transfer it")
        page.locator("#panel-actions").get_by_role("button", name="Dismiss").click()
        expect(page.get_by_role("dialog")).to_contain_text("Renata Zefiro is about to transfer it")
        expect(dialog).to_contain_text("is about to dismiss it", timeout=5_000)
        page.keyboard.press("Escape")
        expect(dialog).not_to_contain_text("is about to dismiss it", timeout=5_000)
        assert [] == violations(colleague, RULES)
        colleague.keyboard.press("Escape")
        expect(here).to_have_text("Renata Zefiro is looking at this", timeout=10_000)
