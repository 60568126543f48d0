"""A campaign in a real browser, on the real processes: from the template to the customer who answered and was left
alone."""

import io
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from infra.local.simulator.bodies import SimulatedCustomer
from tests.support.chromium import MISSING, program
from tests.support.pages import assert_accessible, cut_off, watched
from tests.support.shop import Shop

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]

PEOPLE = 900
"""So many that a pause comes before the end."""


@pytest.fixture
def italian(browser: Browser, owner: BrowserContext, shop: Shop) -> Iterator[BrowserContext]:
    """The browser of the owner at home, which speaks Italian."""
    state = owner.storage_state()
    context = browser.new_context(base_url=shop.address, storage_state=state, locale="it-IT")
    yield context
    context.close()


def filled_in(example: bytes, customer: SimulatedCustomer) -> bytes:
    """The example file with the shop's customers in place of its rows, and one row with a problem."""
    book = openpyxl.load_workbook(io.BytesIO(example))
    sheet = book.active
    assert sheet is not None
    sheet.delete_rows(2, sheet.max_row)
    columns = sheet.max_column
    for number in range(PEOPLE - 1):
        sheet.append([f"+39 333 {5000000 + number}", f"Customer {number}", *["x"] * (columns - 2)])
    sheet.append([f"+{customer.wa_id}", customer.name, *["30 euro"] * (columns - 2)])
    sheet.append(["ask Elena", "Nobody", *["x"] * (columns - 2)])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def figure(page: Page, step: str) -> Locator:
    """The number of a step of the funnel."""
    return page.locator(".funnel tr", has=page.get_by_role("rowheader", name=step, exact=True)).locator("td.n")


def reads_in_italian(italian: BrowserContext, address: str, heading: str) -> None:
    """The page for somebody whose browser speaks Italian."""
    with watched(italian) as page:
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        assert "it" == page.locator("html").get_attribute("lang")
        assert_accessible(page)


def on_a_phone(page: Page) -> None:
    """Nothing is cut off at 390 pixels."""
    page.set_viewport_size({"width": 390, "height": 844})
    assert [] == cut_off(page)
    page.set_viewport_size({"width": 1440, "height": 900})


def test_a_campaign_goes_from_its_template_to_the_customer_who_answered_and_was_left_alone(
    page: Page, italian: BrowserContext, shop: Shop, tmp_path: Path
) -> None:
    shop.start("campaigns")
    nora = shop.customer("Nora Bassi")
    page.goto("/unmanaged")
    page.locator("nav summary", has_text="WhatsApp").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="New outbound campaign").press("Enter")
    expect(page.get_by_role("heading", name="New outbound campaign")).to_be_visible()
    assert_accessible(page)
    on_a_phone(page)
    page.get_by_role("link", name="Send from Excel: autumn_check, en", exact=True).click()

    with page.expect_download() as example:
        page.get_by_role("link", name="Download an example file").click()
    assert_accessible(page)
    file = tmp_path / "autumn.xlsx"
    file.write_bytes(filled_in(Path(example.value.path()).read_bytes(), nora))
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("heading", name="Which column is what")).to_be_visible()
    expect(page.locator(".phone-bubble mark").first).to_be_visible()
    page.locator("#row-next").press("Enter")
    expect(page.locator("#row-before")).not_to_have_attribute("aria-disabled", "true")
    expect(page.locator("#row-next")).to_be_focused()  # for the next row by keyboard
    page.get_by_label("Name of the campaign").fill("Autumn service")
    page.locator("#column-3").select_option("")
    expect(page.locator("#draft-missing")).to_contain_text("Nothing fills in")
    page.locator("#column-3").select_option("p:2")
    expect(page.locator("#draft-missing")).not_to_contain_text("Nothing fills in")
    assert "name=Autumn" in page.url
    assert_accessible(page)
    on_a_phone(page)
    reads_in_italian(italian, page.url, "Nuova campagna")
    page.get_by_role("button", name="Continue to check").click()

    expect(page.locator("#rows-title")).to_contain_text(f"{PEOPLE} good")
    expect(page.get_by_text("Not a phone number")).to_be_visible()
    assert_accessible(page)
    on_a_phone(page)
    reads_in_italian(italian, page.url, "Autumn service")
    page.get_by_role("link", name="Continue to the start").click()
    assert_accessible(page)
    page.get_by_role("button", name="Start the campaign").click()
    page.get_by_role("link", name="To its page").click()

    page.get_by_label("Why it is paused").fill("typo in the hours?")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".badge")).to_have_text("Paused")
    expect(page.get_by_text("“typo in the hours?”").first).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Resume").click()
    expect(figure(page, "Accepted")).to_have_text(str(PEOPLE))
    phones = [body["to"].lstrip("+") for body in (post["body"] for post in shop.graph.control.posts()) if "to" in body]
    assert len(set(phones)) == len(phones)
    assert str(nora.wa_id) in phones

    shop.customer_writes(nora, "Sì, quando posso venire?", ago="0:00")
    red = page.locator("#bar-red")
    expect(red).to_contain_text("show this one")
    assert_accessible(page)
    on_a_phone(page)
    reads_in_italian(italian, page.url, "Autumn service")
    figure(page, "Accepted").get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("Accepted")
    assert_accessible(page)
    page.go_back()
    page.locator("#bar-red").click()
    expect(page.locator("#list tbody tr")).to_have_count(1)
    expect(page.locator("#list tbody tr")).to_contain_text("Nora Bassi")
    page.goto("/campaigns")
    expect(page.get_by_role("link", name="Autumn service", exact=True)).to_be_visible()
    assert_accessible(page)
    on_a_phone(page)
