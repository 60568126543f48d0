"""The agents' page in a real browser, on the real processes: an agent beside an administrator."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from infra.local.simulator.bodies import SimulatedCustomer
from tests.support.chromium import MISSING, program, signed_in
from tests.support.pages import choose, only, said, watched
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


def gets_ready(desk: Page) -> None:
    desk.goto("/desk")
    desk.locator("#standing").click()
    desk.get_by_role("button", name="Ready", exact=True).click()
    expect(desk.locator("#standing")).to_have_text("Ready")


def offer_of(desk: Page, customer: SimulatedCustomer) -> Locator:
    return desk.locator(".offer").filter(has=desk.get_by_text(customer.name, exact=True))


def transfer_to_the_agent(page: Page, customer: SimulatedCustomer) -> None:
    only(page, customer).get_by_role("button", name="Transfer to a user").click()
    choose(page, "Anna Bellini", "Immediate")
    said(page, "Offered to Anna Bellini.")


def test_a_customer_who_was_left_alone_is_offered_with_a_sound_answered_and_reads_it(
    page: Page, agent: BrowserContext, shop: Shop
) -> None:
    """The promise of an offer: it is seen and heard (D1); of a bubble: it says what the record says (D3)."""
    customer = shop.customer("Irma Villa")
    id_ = shop.customer_writes(customer, "Avete una bici per sabato?")
    with watched(agent) as desk:
        gets_ready(desk)
        before = desk.evaluate("tones")
        transfer_to_the_agent(page, customer)
        offer = offer_of(desk, customer)
        expect(offer).to_contain_text("Avete una bici per sabato?")
        expect(offer).to_contain_text("Paolo Zefiro")
        desk.wait_for_function("before => tones > before", arg=before)
        assert desk.title().startswith("(")
        offer.get_by_role("button", name="Accept").click()

        answer = desk.get_by_label("Your answer")
        answer.fill("Certo, a che ora?")
        answer.press("Control+Enter")
        bubble = desk.locator(".msg", has_text="Certo, a che ora?")
        expect(bubble).to_contain_text("read")
        assert "read" == shop.state_of_last_send(customer)
        assert ["Certo, a che ora?"] == [
            post["body"]["text"]["body"]
            for post in shop.graph.control.posts()
            if post["body"].get("to", "").endswith(str(customer.wa_id))
        ]
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
        offer_of(desk, customer).get_by_role("button", name="Accept").click()
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
        expect(offer_of(desk, next_one)).to_be_visible()
        desk.wait_for_function("before => tones > before", arg=before)
        answer.press("Control+Enter")
        expect(desk.get_by_role("alert").filter(has_text="The customer wrote again meanwhile")).to_be_visible()
        desk.reload()
        expect(answer).to_have_value("Sì, da 20 euro al")
