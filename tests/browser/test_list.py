"""The list in a real browser: the keyboard, the way from one conversation to the next, and what a search marks."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.chromium import MISSING, program
from tests.support.pages import RULES, cut_off, held, row_of, said, violations, wait_asked
from tests.support.shop import MANAGER, Shop
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]


def rows(page: Page) -> Locator:
    return page.locator("#list tbody tr")


def open_name(page: Page) -> Locator:
    return page.locator("#panel h2")


def test_the_list_is_worked_through_with_single_keys(page: Page, shop: Shop) -> None:
    names = ["Ada Keller", "Bruno Keller", "Clara Keller"]
    for hours, name in zip((12, 11, 10), names, strict=True):
        shop.customer_writes(shop.customer(name), "Avete catene?", ago=f"{hours}:00")
    page.goto("/unmanaged?q=Keller")
    press = page.keyboard.press
    press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_be_visible()
    assert [] == violations(page, RULES)
    press("Escape")
    for key, n in (("j", 0), ("j", 1), ("k", 0), ("j", 1)):
        press(key)
        expect(rows(page).nth(n).locator(".who .open")).to_be_focused()
    press("x")
    expect(rows(page).nth(1).get_by_role("checkbox")).to_be_checked()
    press("s")
    expect(page.get_by_role("dialog", name="Transfer to a skillset")).to_contain_text("1 can be transferred.")
    press("Escape")
    press("x")
    press("Enter")
    expect(open_name(page)).to_have_text("Bruno Keller")
    press("j")
    expect(open_name(page)).to_have_text("Clara Keller")
    press("e")
    expect(page.locator(".tabs [aria-current]")).to_have_text("Send via email")
    press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("jk")
    expect(open_name(page)).to_have_text("Clara Keller")


def test_letters_can_be_switched_off(page: Page) -> None:
    page.goto("/unmanaged")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Use single letters as shortcuts in this browser").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator(".who .open:focus")).to_have_count(0)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Use single letters as shortcuts in this browser").check()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator(".who .open:focus")).to_have_count(1)


def test_after_a_transfer_the_next_conversation_opens_if_the_person_wants_that(page: Page, shop: Shop) -> None:
    for hours, name in zip((12, 11), ("Dora Lenz", "Emil Lenz"), strict=True):
        shop.customer_writes(shop.customer(name), "Buongiorno", ago=f"{hours}:00")
    page.goto("/unmanaged?q=Lenz")
    rows(page).first.locator("td.reason").click()  # a row opens wherever it is pressed
    expect(open_name(page)).to_have_text("Dora Lenz")
    expect(page.get_by_role("button", name="Previous conversation")).to_be_disabled()
    page.get_by_role("button", name="Next conversation").click()
    expect(open_name(page)).to_have_text("Emil Lenz")
    page.keyboard.press("k")
    expect(open_name(page)).to_have_text("Dora Lenz")
    page.keyboard.press("s")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Open the next conversation afterwards").check()
    dialog.get_by_text("Exclusive").click()
    dialog.get_by_role("button", name="Transfer").click()
    expect(open_name(page)).to_have_text("Emil Lenz")
    said(page, "Reserved for")
    page.keyboard.press("t")
    expect(dialog.get_by_label("Open the next conversation afterwards")).to_be_checked()
    page.keyboard.press("Escape")
    page.keyboard.press("z")
    expect(row_of(page, "Dora Lenz").locator(".st")).to_have_text("Active")


def test_what_arrives_late_about_one_customer_is_not_shown_under_the_next_ones_name(page: Page, shop: Shop) -> None:
    """What changed is asked for while one conversation is open, and the answer is slower than the person."""
    first, second = shop.customer("Piera Quadri"), shop.customer("Quinto Quadri")
    for hours, customer in ((12, first), (11, second)):
        shop.customer_writes(customer, f"Sono {customer.name}", ago=f"{hours}:00")
    page.goto("/unmanaged?q=Quadri")
    row_of(page, first.name).locator(".who .open").click()
    expect(open_name(page)).to_have_text(first.name)
    with held(page, "**/changes?*") as asked:
        shop.customer_writes(first, "Sono ancora Piera", ago="2:00")
        wait_asked(page, asked)
        page.keyboard.press("j")
        expect(open_name(page)).to_have_text(second.name)
    chat = page.get_by_role("log")
    expect(row_of(page, first.name)).to_contain_text("Sono ancora Piera")
    shop.customer_writes(second, "Sono ancora Quinto", ago="1:00")
    expect(chat).to_contain_text("Sono ancora Quinto")
    expect(chat).not_to_contain_text("Piera")
    expect(page.locator("#panel-head small")).to_contain_text(str(second.wa_id)[-4:])


def test_of_two_dialogs_the_one_that_was_asked_for_last_opens(page: Page, shop: Shop) -> None:
    first, second = shop.customer("Rosa Tondi"), shop.customer("Sesto Tondi")
    for customer in (first, second):
        shop.customer_writes(customer, "Buongiorno", ago="5:00")
    page.goto("/unmanaged?q=Tondi")
    with held(page, "**/transfer/user*") as asked:
        row_of(page, first.name).get_by_role("button", name="Transfer to a user").click()
        wait_asked(page, asked)
        row_of(page, second.name).get_by_role("button", name="Dismiss").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(second.name)
    page.wait_for_timeout(500)  # the time in which the answer would arrive
    expect(dialog).to_contain_text(second.name)
    expect(dialog.get_by_role("button", name="Dismiss")).to_be_visible()


def test_what_a_search_found_is_marked_in_the_rows_and_in_the_conversation(page: Page, shop: Shop) -> None:
    customer = shop.customer("Ruggero Però")
    shop.customer_writes(customer, "Il perogiallo è pronto", "Però il telaio no")

    def marked() -> list[str]:
        return list(
            page.evaluate(
                "[...CSS.highlights.get('found')].map(it => it.startContainer.data.slice(it.startOffset, it.endOffset))"
            )
        )

    page.goto("/unmanaged?q=PERO")
    assert ["Però", "Però"] == marked()
    row_of(page, "Ruggero Però").locator(".who .open").click()
    expect(page.get_by_role("log")).to_be_visible()
    page.wait_for_function("CSS.highlights.get('found').size == 5")
    assert ["Però", "Però", "Però", "pero", "Però"] == marked()
    page.goto(f"/unmanaged?q={str(customer.wa_id)[-6:]}")
    assert [str(customer.wa_id)[-6:]] == [re.sub(r"\D", "", each) for each in marked()]

    shop.start("analytics")  # which writes the words of all messages
    found = row_of(page, "Ruggero Però").locator(".found")

    def search() -> bool:
        page.goto("/unmanaged?q=perogiallo")
        return found.count() == 1

    wait_until(search)
    expect(found.locator("mark")).to_have_text("perogiallo")
    assert ["perogiallo"] == marked()
    assert [] == violations(page, RULES)
    found.get_by_role("link").click()
    expect(page.locator(".msg.match")).to_have_text(re.compile("Il perogiallo è pronto"))
    expect(page.get_by_role("searchbox", name="Find in this conversation")).to_have_value("perogiallo")
    expect(page.locator("#found")).to_have_text("1 of 1")


def test_words_are_found_in_an_open_conversation_from_one_match_to_the_next(page: Page, shop: Shop) -> None:
    customer = shop.customer("Fiorella Lunga")
    shop.customer_writes(customer, "Il perno è rotto", *(f"Riga {n}" for n in range(20)), ago="6:00")
    conversation = shop.customer_writes(customer, *(f"Altra {n}" for n in range(110)), "Che pèrno?", ago="4:00")
    page.goto(f"/unmanaged?open={conversation}")
    expect(page.locator(".msg").first).to_contain_text("Altra")
    field, place, match = page.locator("#find-text"), page.locator("#found"), page.locator(".msg.match")
    expect(field).to_be_hidden()
    page.keyboard.press("f")
    expect(field).to_be_focused()
    page.keyboard.type("perno")
    expect(place).to_have_text("2 of 2")
    expect(match).to_contain_text("Che pèrno?")
    page.keyboard.press("Enter")  # to the earlier one, which is not loaded yet
    expect(place).to_have_text("1 of 2")
    expect(match).to_contain_text("Il perno è rotto")
    expect(match).to_be_in_viewport()
    expect(field).to_be_focused()
    page.wait_for_function("CSS.highlights.get('found').size == 2")
    assert ([], []) == (cut_off(page), violations(page, RULES))
    page.keyboard.press("Shift+Enter")
    expect(match).to_contain_text("Che pèrno?")
    page.keyboard.type(" azzurro")
    expect(place).to_have_text("2 of 2")  # those that have some of the words
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    expect(match).to_have_count(0)
    expect(open_name(page)).to_have_text("Fiorella Lunga")


@pytest.mark.parametrize("width", [390, 768, 1024, 1440])
def test_list_and_panel_fit_at_every_width_and_nothing_covers_them(width: int, page: Page) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto("/unmanaged?status=all")
    assert ([], []) == (cut_off(page), violations(page, RULES))
    if width == 390:
        ends = rows(page).evaluate_all("rows => rows.map(row => row.getBoundingClientRect().bottom)")
        assert sum(end <= 844 for end in ends) >= 2
    rows(page).first.locator(".who .open").click()
    expect(page.get_by_role("log")).to_be_in_viewport()
    assert ([], []) == (cut_off(page), violations(page, RULES))


def test_where_there_are_fewer_slots_than_conversations_the_dialog_offers_now_and_the_rest_reserved(
    page: Page, shop: Shop
) -> None:
    for n in range(6):
        shop.customer_writes(shop.customer(f"Guest {n}"), "Buongiorno", ago=f"{9 - n}:00")
    shop.agent_is(MANAGER, "ready")
    page.goto("/unmanaged?q=Guest")
    page.get_by_role("checkbox", name="Select all rows").check()
    page.keyboard.press("t")
    dialog = page.get_by_role("dialog", name="Transfer to a user")
    dialog.get_by_role("radio", name="Elena Zanini").check()
    expect(dialog.get_by_role("radio", name="Immediate, and reserve the rest")).to_be_checked()
    expect(dialog.locator(".go")).to_have_text(re.compile(r"^\d now, reserve \d$"))
    assert ([], []) == (cut_off(page), violations(page, RULES))
    dialog.get_by_role("radio", name="Anna Bellini").check()
    expect(dialog.get_by_role("radio", name="Immediate, and reserve the rest")).to_be_hidden()


@pytest.mark.parametrize("width", [390, 1440])
def test_the_waiting_list_is_filtered_and_ticked_at_every_width(width: int, page: Page) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto("/waiting")
    assert ([], []) == (cut_off(page), violations(page, RULES))
    page.get_by_role("checkbox", name="Select").last.check()
    expect(page.get_by_role("button", name="Recall", exact=True).last).to_be_visible()
    assert ([], []) == (cut_off(page), violations(page, RULES))
    if width == 390:
        page.get_by_text("Filters").click()
    page.get_by_role("combobox", name="Skillset or user").select_option("skillset:sales")
    expect(page).to_have_url(re.compile("to=skillset"))
