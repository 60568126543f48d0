"""The agents' page in a real browser, on the real processes: an agent beside an administrator."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.support.chromium import MISSING, program, signed_in
from tests.support.pages import (
    accepted,
    assert_accessible,
    cut_off,
    gets_ready,
    held,
    offer_of,
    transfer_to_the_agent,
    wait_asked,
    watched,
)
from tests.support.shop import AGENT, PASSWORD, Shop

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]

RINGS = """
const start = OscillatorNode.prototype.start;
window.tones = 0;
OscillatorNode.prototype.start = function (...when) { window.tones += 1; return start.apply(this, when); };
"""
"""Counts the tones that a page plays."""


@pytest.fixture
def agent(browser: Browser, shop: Shop) -> Iterator[BrowserContext]:
    """The browser of an agent, who is online and signs out at the end, whatever the test did."""
    context = signed_in(browser, shop.address, AGENT, PASSWORD, lands="My desk")
    context.add_init_script(RINGS)
    yield context
    context.set_offline(False)
    page = context.new_page()
    page.goto("/account")
    page.locator(".me summary").click()
    page.locator(".me").get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    context.close()


def counts_keys(desk: Page, offer: Locator) -> None:
    """A key counts for an offer only some time after it appeared."""
    expect(offer).to_be_visible()
    desk.wait_for_function("since => Date.now() - since > 1000", arg=desk.evaluate("Date.now()"))


def test_d1_d3_a_customer_who_was_left_alone_is_offered_with_a_sound_answered_and_reads_it(
    page: Page, agent: BrowserContext, shop: Shop
) -> None:
    """The promise of an offer: it is seen and heard (D1); of a bubble: it says what the record says (D3)."""
    customer = shop.customer("Irma Villa")
    id_ = shop.customer_writes(customer, "Avete una bici per sabato?")
    with watched(agent) as desk:
        gets_ready(desk)
        before = desk.evaluate("tones")
        transfer_to_the_agent(page, customer)
        offer = offer_of(desk, customer.name)
        expect(offer).to_contain_text("Avete una bici per sabato?")
        expect(offer).to_contain_text("Paolo Zefiro")
        desk.wait_for_function("before => tones > before", arg=before)
        assert desk.title().startswith("(")
        opened: list[str] = []
        desk.on("request", lambda request: opened.append(request.url))
        offer.get_by_role("button", name="Accept").click()

        answer = desk.get_by_label("Your answer")
        answer.fill("Certo, a che ora?")
        answer.press("Control+Enter")
        bubble = desk.locator(".msg", has_text="Certo, a che ora?")
        expect(bubble).to_contain_text("read")
        assert 1 == sum(url.endswith(f"/desk/{id_}") for url in opened)  # once more would take what is being typed
        assert "read" == shop.state_of_last_send(customer)
        assert ["Certo, a che ora?"] == [body["text"]["body"] for body in shop.posts_to(customer)]
        page.goto(f"/unmanaged?q={customer.wa_id}")
        expect(page.locator("#list tbody tr")).to_have_count(0)

        desk.get_by_role("button", name="Close …").click()
        dialog = desk.get_by_role("dialog")
        dialog.get_by_role("radio", name="Solved").check()
        dialog.locator("button.go").click()
        expect(desk.locator(f"[data-line='{id_}']")).to_have_count(0)


def test_a_tab_that_was_offline_lacks_nothing_and_keeps_what_was_typed(
    page: Page, agent: BrowserContext, shop: Shop
) -> None:
    """What was typed is not lost (D2). An offer that was made meanwhile is heard as soon as the tab is back."""
    customer, next_one = shop.customer("Livia Serra"), shop.customer("Dora Valente")
    shop.customer_writes(customer, "Fate anche noleggio?", ago="0:03")
    shop.customer_writes(next_one, "C'è posto domani?")
    with watched(agent) as desk:
        gets_ready(desk)
        transfer_to_the_agent(page, customer)
        offer_of(desk, customer.name).get_by_role("button", name="Accept").click()
        answer = desk.get_by_label("Your answer")
        expect(answer).to_be_visible()  # the acceptance arrived
        agent.set_offline(True)
        expect(desk.locator("#live")).to_have_text("reconnecting")
        answer.fill("Sì, da 20 euro al")
        shop.customer_writes(customer, "Per due persone", "E un cane", ago="0:01")
        transfer_to_the_agent(page, next_one)
        before = desk.evaluate("tones")
        agent.set_offline(False)
        expect(desk.locator(".msg", has_text="E un cane")).to_be_visible()
        expect(desk.locator(".msg", has_text="Per due persone")).to_have_count(1)
        expect(answer).to_have_value("Sì, da 20 euro al")
        expect(offer_of(desk, next_one.name)).to_be_visible()
        desk.wait_for_function("before => tones > before", arg=before)
        answer.press("Control+Enter")
        expect(desk.get_by_role("alert").filter(has_text="The customer wrote again meanwhile")).to_be_visible()
        desk.reload()
        expect(answer).to_have_value("Sì, da 20 euro al")


def test_what_arrives_late_about_one_customer_is_not_shown_while_another_one_is_answered(
    page: Page, agent: BrowserContext, shop: Shop
) -> None:
    """Neither another customer's messages nor a field whose text goes to somebody else."""
    first, second = shop.customer("Greta Lodi"), shop.customer("Helga Lodi")
    with watched(agent) as desk:
        gets_ready(desk)
        for customer in (first, second):
            shop.customer_writes(customer, f"Sono {customer.name}", ago="0:05")
            accepted(page, desk, customer)
        lines = {customer.name: desk.locator(".line", has_text=customer.name) for customer in (first, second)}
        lines[first.name].click()
        title, chat = desk.locator("#talk-title"), desk.get_by_role("log")
        expect(title).to_have_text(first.name)
        with held(desk, "**/desk/changes?*") as asked:
            shop.customer_writes(first, "Sono ancora Greta")
            wait_asked(desk, asked)
            lines[second.name].click()
            expect(title).to_have_text(second.name)
        expect(lines[first.name]).to_contain_text("Sono ancora Greta")  # the list of the own ones is complete
        shop.customer_writes(second, "Sono ancora Helga")
        expect(chat).to_contain_text("Sono ancora Helga")
        expect(chat).not_to_contain_text("Greta")
        desk.get_by_label("Your answer").fill("Buongiorno Helga")
        desk.get_by_label("Your answer").press("Control+Enter")
        expect(chat.locator(".msg", has_text="Buongiorno Helga")).to_contain_text("read")
    assert [] == shop.posts_to(first)


def test_everything_on_the_desk_goes_by_keyboard_and_the_focus_is_where_the_next_thing_is_to_be_done(
    page: Page, agent: BrowserContext, shop: Shop
) -> None:
    first, second, unwanted = shop.customer("Ada Monti"), shop.customer("Bruna Conti"), shop.customer("Carla Righi")
    for customer, ago in ((first, "13:00"), (second, "12:00"), (unwanted, "0:02")):
        shop.customer_writes(customer, "Buongiorno", ago=ago)
    with watched(agent) as desk:
        gets_ready(desk)
        title, answer, dialog = (
            desk.locator("#talk-title"),
            desk.get_by_label("Your answer"),
            desk.get_by_role("dialog"),
        )
        for customer in (first, second):
            transfer_to_the_agent(page, customer)
            expect(offer_of(desk, customer.name)).to_be_visible()
            while offer_of(desk, customer.name).count():  # Enter accepts the one on top, which may be another
                top = desk.locator(".offer").first
                counts_keys(desk, top)
                name = top.get_by_role("heading").inner_text()
                desk.locator("#main").focus()
                desk.keyboard.press("Enter")
                expect(title).to_have_text(name)
                expect(answer).to_be_focused()
                expect(offer_of(desk, name)).to_have_count(0)
            expect(title).to_have_text(customer.name)
        desk.keyboard.type("h p b c ?")  # letters that are typed press nothing
        expect(dialog).to_have_count(0)
        answer.press("Control+Enter")
        expect(desk.locator(".msg", has_text="h p b c ?")).to_be_visible()
        expect(answer).to_be_focused()
        expect(answer).to_have_value("")

        desk.keyboard.press("Alt+ArrowUp")
        expect(title).to_have_text(first.name)
        expect(title).to_be_focused()
        desk.keyboard.press("Alt+ArrowDown")
        expect(title).to_have_text(second.name)
        expect(title).to_be_focused()
        desk.keyboard.press("r")
        expect(answer).to_be_focused()
        expect(answer).to_have_value("")
        title.focus()
        for key, opens in (("h", "Hand over"), ("p", "Park"), ("b", "Give back"), ("c", "Close the conversation")):
            desk.keyboard.press(key)
            expect(dialog.get_by_role("heading", name=opens)).to_be_visible()
            desk.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
            expect(title).to_be_focused()
        desk.keyboard.press("?")
        for does in ("accept the offer", "decline the offer", "park", "write an answer", "send the answer"):
            expect(dialog.get_by_text(does, exact=True)).to_be_visible()
        desk.keyboard.press("Escape")

        transfer_to_the_agent(page, unwanted)
        counts_keys(desk, offer_of(desk, unwanted.name))
        desk.get_by_label("Why you decline").focus()
        desk.keyboard.type("in pausa")
        desk.keyboard.press("Escape")
        expect(offer_of(desk, unwanted.name)).to_have_count(0)
        expect(title).to_be_focused()

        desk.keyboard.press("p")
        expect(dialog.get_by_role("radio").first).to_be_focused()
        desk.keyboard.press("ArrowDown")
        desk.keyboard.press("Enter")
        expect(desk.get_by_role("heading", name="Parked")).to_be_visible()
        expect(title).to_be_focused()
        desk.keyboard.press("t")
        expect(dialog.get_by_label("Note for colleagues")).to_be_focused()
        desk.keyboard.press("Tab")
        desk.keyboard.press("Tab")
        desk.keyboard.press("Enter")
        expect(answer).to_be_visible()
        expect(title).to_be_focused()
        desk.keyboard.press("c")
        expect(dialog.get_by_role("radio").first).to_be_focused()
        desk.keyboard.press("Enter")
        expect(desk.locator(".line", has_text=second.name)).to_have_count(0)
        expect(title).to_have_count(0)
        expect(desk.locator(".line", has_text=first.name)).to_be_focused()


def test_letters_that_were_switched_off_press_nothing_on_the_desk_either(agent: BrowserContext) -> None:
    """Speech recognition types them; the switch is the one of the lists."""
    with watched(agent) as desk:
        desk.goto("/desk")
        dialog, switch = (
            desk.get_by_role("dialog"),
            desk.get_by_label("Use single letters as shortcuts in this browser"),
        )
        desk.locator("#main").focus()
        desk.keyboard.press("?")
        switch.uncheck()
        desk.keyboard.press("Escape")
        desk.keyboard.press("?")
        expect(dialog).to_be_hidden()
        desk.locator("#show-keys").click()
        switch.check()
        desk.keyboard.press("Escape")
        desk.locator("#main").focus()
        desk.keyboard.press("?")
        expect(dialog).to_be_visible()


def test_quick_replies_open_with_a_slash_are_chosen_by_keys_and_fill_in_what_is_known(
    page: Page, agent: BrowserContext, shop: Shop
) -> None:
    page.goto("/desk/choices")
    replies = {
        "open": "Aperti dal lunedì al sabato.",
        "open-sunday": "La domenica 10-13.",
        "bye": "Ciao {name}, {agent}",
    }
    for shortcut, text in replies.items():
        page.get_by_label("Shortcut").fill(shortcut)
        page.get_by_label("Text").fill(text)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text(f"/{shortcut}", exact=True)).to_be_visible()
    customer = shop.customer("Dina Fabbri")
    shop.customer_writes(customer, "Quando siete aperti?", ago="0:02")
    with watched(agent) as desk:
        gets_ready(desk)
        answer = accepted(page, desk, customer)
        listbox = desk.get_by_role("listbox", name="Quick replies")
        chosen = listbox.locator("[aria-selected=true]")
        desk.keyboard.type("Grazie. /")
        expect(listbox.get_by_role("option")).to_have_count(3)
        assert_accessible(desk)
        desk.keyboard.type("OPEN")  # however it is written
        expect(listbox.get_by_role("option")).to_have_count(2)
        expect(chosen).to_contain_text("/open")
        desk.keyboard.press("ArrowDown")
        expect(chosen).to_contain_text("/open-sunday")
        assert chosen.get_attribute("id") == answer.get_attribute("aria-activedescendant")
        desk.keyboard.press("Enter")
        expect(listbox).to_be_hidden()
        expect(answer).to_have_value("Grazie. La domenica 10-13.")
        desk.keyboard.press("Home")  # at the cursor, not at the end
        desk.keyboard.type("/by ")
        desk.keyboard.press("ArrowLeft")
        desk.keyboard.type("e")
        desk.keyboard.press("Tab")
        expect(answer).to_have_value("Ciao Dina Fabbri, Anna Bellini Grazie. La domenica 10-13.")
        desk.keyboard.press("End")
        desk.keyboard.type(" /nothing")
        expect(desk.get_by_text("No quick reply begins like this.")).to_be_visible()
        assert_accessible(desk)
        desk.keyboard.press("Escape")
        expect(listbox).to_be_hidden()
        expect(answer).to_be_focused()
        desk.get_by_role("button", name="Quick replies").click()
        expect(listbox.get_by_role("option")).to_have_count(3)
        assert [] == cut_off(desk)
        desk.keyboard.press("Home")  # the cursor leaves the slash: Enter is a line end again
        expect(listbox).to_be_hidden()
        desk.keyboard.press("Enter")
        assert answer.input_value().startswith("\nCiao Dina Fabbri")


def test_d2_what_is_typed_just_before_a_reload_or_while_an_answer_is_sent_is_not_lost(
    page: Page, agent: BrowserContext, shop: Shop
) -> None:
    customer = shop.customer("Gina Ferri")
    shop.customer_writes(customer, "Siete aperti oggi?", ago="0:02")
    with watched(agent) as desk:
        gets_ready(desk)
        answer = accepted(page, desk, customer)
        answer.press_sequentially("Sì, fino")
        expect(desk.get_by_text("Draft saved")).to_be_visible()
        answer.press_sequentially(" alle 18")
        desk.reload()  # before this is saved, so the server has the text without it
        expect(answer).to_have_value("Sì, fino alle 18")
        answer.press("Control+Enter")
        desk.keyboard.type(" Venga pure")
        expect(desk.locator(".msg.agent", has_text="Sì, fino alle 18")).to_be_visible()
        next_text = re.compile(r"^\s?Venga pure$")  # the first key may still meet the box of before
        expect(answer).to_have_value(next_text)
        expect(desk.get_by_text("Draft saved")).to_be_visible()
        desk.reload()
        expect(answer).to_have_value(next_text)


def test_of_two_answers_the_one_that_was_undone_stands_in_the_box_again(
    page: Page, agent: BrowserContext, shop: Shop
) -> None:
    """Not the other one, which would be sent twice."""
    customer = shop.customer("Rita Conti")
    shop.customer_writes(customer, "A che ora chiudete?", ago="0:02")
    with watched(agent) as desk:
        gets_ready(desk)
        answer = accepted(page, desk, customer)
        for text in ("Alle otto", "Venga pure"):
            answer.fill(text)
            answer.press("Control+Enter")
            expect(answer).to_have_value("")
        desk.locator(".msg.agent", has_text="Alle otto").get_by_role("button", name="Undo").click()
        expect(answer).to_have_value("Alle otto")


def test_a_page_keeps_its_name_when_it_is_loaded_again_and_a_copy_of_its_tab_has_another(
    page: Page, agent: BrowserContext, shop: Shop
) -> None:
    """Otherwise the copy, which cannot ring yet, would say so of both."""
    names: list[str] = []
    with watched(agent) as desk:
        desk.on("request", lambda request: names.append(request.post_data or "") if "/alive" in request.url else None)
        gets_ready(desk)
        assert desk.evaluate("sessionStorage.getItem('desk-page')") is None
        with desk.expect_request("**/desk/alive"):
            desk.reload()
        assert 1 == len({name.partition("page=")[2].partition("&")[0] for name in names})


def test_d2_a_window_that_ends_while_a_text_is_half_written_keeps_it_and_offers_a_template(
    page: Page, agent: BrowserContext, shop: Shop
) -> None:
    """Nothing is sent outside the window, and what was typed is there again when the customer answers."""
    customer = shop.customer("Emma Greco")
    id_ = shop.customer_writes(customer, "È pronta la mia bici?", ago="23:00")
    with watched(agent) as desk:
        gets_ready(desk)
        answer = accepted(page, desk, customer)
        answer.fill("La sua bici è quasi")
        shop.window_ends(id_, 5)
        desk.reload()
        expect(answer).to_have_value("La sua bici è quasi")
        answer.press("End")
        desk.keyboard.type(" pronta")
        box = desk.locator("#answer")
        expect(box).to_contain_text("only a template reaches them")
        expect(box).to_contain_text("Your draft is kept: La sua bici è quasi pronta")
        expect(answer).to_have_count(0)
        template = box.get_by_role("button", name="Send a template")
        expect(template).to_be_focused()
        assert [] == shop.posts_to(customer)
        assert_accessible(desk)
        assert [] == cut_off(desk)

        desk.keyboard.press("Enter")
        dialog = desk.get_by_role("dialog")
        dialog.get_by_label("Template").select_option("order_update|it")
        expect(dialog.locator("#template-preview")).to_contain_text("Il tuo ordine")  # its fields are there now
        dialog.get_by_role("textbox").first.fill("1234")
        dialog.get_by_role("button", name="Send", exact=True).click()
        expect(desk.locator(".msg.agent")).to_contain_text("read")
        assert ["template"] == [body["type"] for body in shop.posts_to(customer)]


def assert_fits(page: Page, language: str, *, accessible: bool = True) -> None:
    """Nothing is cut off on a phone and on a desktop, and axe finds no violation in light and dark."""
    assert language == page.locator("html").get_attribute("lang")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert [] == cut_off(page), width
    if accessible:
        assert_accessible(page)


@contextmanager
def in_italian(browser: Browser, context: BrowserContext, shop: Shop) -> Iterator[BrowserContext]:
    """The same person in another browser, which prefers Italian."""
    state = context.storage_state()
    italian = browser.new_context(base_url=shop.address, storage_state=state, locale="it-IT")
    yield italian
    italian.close()


def test_the_desk_with_its_dialogs_and_lists_is_accessible_and_nothing_is_cut_off_in_both_languages(
    browser: Browser, owner: BrowserContext, page: Page, agent: BrowserContext, shop: Shop
) -> None:
    customer, next_one = shop.customer("Massimiliano Castelfranchi"), shop.customer("Ilaria Bellucci")
    id_ = shop.customer_writes(customer, "Buongiorno, il freno davanti stride", ago="20:40")
    shop.customer_writes(next_one, "È libero il tandem sabato?", "Siamo due adulti e un cane", ago="0:02")
    with watched(agent) as desk:
        gets_ready(desk)
        accepted(page, desk, customer)
        transfer_to_the_agent(page, next_one)
        expect(offer_of(desk, next_one.name)).to_be_visible()
        looks_right(agent, owner, f"/desk/{id_}", "en")
        with in_italian(browser, agent, shop) as agente, in_italian(browser, owner, shop) as titolare:
            looks_right(agente, titolare, f"/desk/{id_}", "it")


def looks_right(agent: BrowserContext, owner: BrowserContext, address: str, language: str) -> None:
    """The agents' page with an offer and an open chat, each of its dialogs, and the pages beside it."""
    with watched(agent) as desk, watched(owner) as page:
        desk.goto(address)
        expect(desk.locator(".offer").first).to_be_visible()
        assert_fits(desk, language)
        dialog = desk.get_by_role("dialog")
        for opens in ("h", "p", "b", "c", "template", "?"):
            desk.set_viewport_size({"width": 1280, "height": 800})
            desk.locator("#talk-title").focus()
            if opens == "template":
                desk.locator("#answer a.btn").click()
            else:
                desk.keyboard.press(opens)
            expect(dialog).to_be_visible()
            assert_fits(desk, language, accessible=language == "en" or opens == "h")
            desk.keyboard.press("Escape")
            expect(dialog).to_have_count(0)
        for who, path in ((desk, "/desk/replies"), (page, "/desk/replies"), (page, "/desk/choices")):
            who.goto(path)
            assert_fits(who, language)
