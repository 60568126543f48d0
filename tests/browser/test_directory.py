"""The directory in a real browser, on the real processes: opening hours are changed, somebody else is faster, and the
day before is brought back."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from infra.postgres import directory
from tests.support.chromium import MISSING, program, signed_in
from tests.support.pages import assert_accessible, cut_off, watched
from tests.support.shop import OTHER, PASSWORD, Shop

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]

WORKSHOP = "Officina"


def opens(page: Page, name: str) -> None:
    """Opens the form of a number or user from its list."""
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def hours_of(shop: Shop) -> str:
    numbers = directory.read(shop.database)[1].numbers.values()
    (workshop,) = (number for number in numbers if number.name == WORKSHOP)
    return str((workshop.hours or {}).get("mon"))


def test_hours_are_changed_compared_and_brought_back(
    browser: Browser, owner: BrowserContext, page: Page, shop: Shop
) -> None:
    before = hours_of(shop)
    page.goto("/unmanaged")
    page.get_by_text("Administration", exact=True).first.click()
    page.get_by_role("link", name="Directory", exact=True).click()
    opens(page, WORKSHOP)
    page.get_by_label("Monday").fill("9-19")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_text('"9-19" are not hours; write them like "09:00-13:00"')).to_be_visible()
    expect(page.get_by_label("Monday")).to_have_value("9-19")
    assert_accessible(page)
    page.get_by_label("Monday").fill("09:00-19:00")
    page.get_by_label("Why (optional)").fill("Long Mondays")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_role("heading", name="Check the change")).to_be_visible()
    expect(page.get_by_text("hours of Monday")).to_be_visible()
    page.get_by_text("As lines of the file").click()
    assert_accessible(page)

    other = signed_in(browser, shop.address, OTHER, PASSWORD)
    with watched(other) as faster:
        faster.goto("/directory/user")
        opens(faster, "Anna Bellini")
        faster.get_by_label("Conversations at once").fill("19")
        faster.get_by_role("button", name="See what changes").click()
        faster.get_by_role("button", name="Save").click()
        expect(faster.get_by_role("heading", name="Saved", exact=True)).to_be_visible()
    other.close()

    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Somebody else was faster")).to_be_visible()
    expect(page.get_by_text("conversations at once")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Put it on top of version").click()
    expect(page.get_by_role("heading", name="Check the change")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Saved", exact=True)).to_be_visible()  # by itself, once it is carried out
    assert "19, 0" in hours_of(shop)

    page.get_by_role("link", name="Versions", exact=True).click()
    expect(page.get_by_text("Long Mondays")).to_be_visible()
    assert_accessible(page)
    page.locator("tbody tr").first.get_by_role("link").click()
    expect(page.get_by_text("hours of Monday")).to_be_visible()
    page.get_by_role("button", name="Go back to version").first.click()
    expect(page.get_by_role("heading", name="Check the change")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Saved", exact=True)).to_be_visible()
    assert before == hours_of(shop)


def test_who_is_ready_is_told_while_the_page_is_open(owner: BrowserContext, page: Page, shop: Shop) -> None:
    page.goto("/directory/ready")
    row = page.get_by_role("row").filter(has_text="Anna Bellini")
    expect(row).to_be_visible()
    assert_accessible(page)
    shop.database.execute(
        "insert into agent_presence (agent_id, state, at, seen_at, input_id, reason) "
        "values ('anna', 'paused', now(), now(), gen_random_uuid(), 'Lunch') "
        "on conflict (agent_id) do update set state = 'paused', reason = 'Lunch', at = now(), seen_at = now()"
    )
    expect(row).to_contain_text("Paused: Lunch")
    page.set_viewport_size({"width": 390, "height": 800})
    assert [] == cut_off(page)
    assert_accessible(page)


def test_the_pages_are_italian_for_who_reads_italian(browser: Browser, owner: BrowserContext, shop: Shop) -> None:
    state = owner.storage_state()
    context = browser.new_context(base_url=shop.address, storage_state=state, locale="it-IT")
    with watched(context) as page:
        page.goto("/directory/number")
        opens(page, WORKSHOP)
        expect(page.get_by_label("lunedì", exact=False).first).to_be_visible()
        assert "it" == page.locator("html").get_attribute("lang")
        assert_accessible(page)
        page.goto("/directory/ready")
        expect(page.get_by_role("heading", level=1)).to_have_text("Rubrica")
        assert_accessible(page)
    context.close()
