"""Pages of the console in a real browser, and what is wrong with them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from playwright.sync_api import BrowserContext, Error, Locator, Page, Route, expect

from infra.local.simulator.bodies import SimulatedCustomer
from tests.support.paths import ROOT

AXE = (ROOT / "tests" / "browser" / "axe-4.14.1.min.js").read_text(encoding="utf-8")
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OF_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


def violations(page: Page, rules: dict[str, Any]) -> list[str]:
    """The violations that axe finds on the page."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE)
    run = {"resultTypes": ["violations"], "runOnly": rules}
    found = page.evaluate("run => axe.run(document, run).then(result => result.violations)", run)
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


def assert_accessible(page: Page) -> None:
    """Runs all rules in light mode; in dark mode those about colours, because nothing else differs."""
    found = violations(page, RULES)
    assert [] == found, found
    page.emulate_media(color_scheme="dark")
    found = violations(page, OF_COLOURS)
    assert [] == found, found
    page.emulate_media(color_scheme="light")


@contextmanager
def watched(context: BrowserContext) -> Iterator[Page]:
    """A page; fails the test if a script fails or violates the content security policy."""
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    yield page
    page.close()
    assert [] == wrong, wrong


@contextmanager
def held(page: Page, pattern: str) -> Iterator[list[Route]]:
    """Holds what the page asks for back until the end of the block. Yields what is held."""
    routes: list[Route] = []
    page.route(pattern, lambda route: routes.append(route))  # noqa: PLW0108 - playwright names its handlers
    yield routes
    page.unroute(pattern)
    for route in routes:
        with suppress(Error):  # the page has given up on it
            route.continue_()


def wait_asked(page: Page, asked: list[Route]) -> None:
    """Returns when something is held back."""
    for _ in range(600):
        if asked:
            return
        page.wait_for_timeout(50)
    raise AssertionError("the page did not ask")


def cut_off(page: Page) -> list[str]:
    """Elements that are too narrow, or that extend beyond their container. What scrolls in its own box is not cut."""
    return list(
        page.evaluate(
            """() => {
              const edge = document.documentElement.clientWidth;
              const seen = "#list td, .icon, .btn, .field, .opt, .top summary, .chip, .offer li, .line b, h2";
              const parts = [...document.querySelectorAll(seen)];
              const holders = ".sheet, .offer, .mine, .talk, .about, .dlg";
              const cut = parts.filter(it => {
                const box = it.getBoundingClientRect(), holder = it.closest(holders);
                const inside = holder?.getBoundingClientRect().right ?? edge;
                return it.checkVisibility() && !it.matches(".apply, .unseen")
                  && !it.closest(".scroll") && (box.left < 0 || box.right > inside + 0.5);
              });
              const thin = parts.filter(it => it.matches("td.text, td.who") && it.clientWidth < 100);
              const wide = document.documentElement.scrollWidth > edge ? [document.documentElement] : [];
              return [...cut, ...thin, ...wide].map(it => it.outerHTML.slice(0, 200));
            }"""
        )
    )


def row_of(page: Page, name: str) -> Locator:
    return page.locator("#list tbody tr").filter(has=page.get_by_text(name, exact=True))


def said(page: Page, text: str) -> Locator:
    """The notice with this text, once it is visible."""
    notice = page.locator(".notice").filter(has_text=text)
    expect(notice).to_be_visible()
    return notice


def only(page: Page, customer: SimulatedCustomer) -> Locator:
    """The list with one customer's row."""
    page.goto(f"/unmanaged?q={customer.wa_id}")
    row = row_of(page, customer.name)
    expect(row).to_have_count(1)
    return row


def choose(page: Page, who: str, mode: str) -> None:
    """Chooses in the dialog that is about to open, and sends it."""
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name=who).check()
    dialog.get_by_role("radio", name=mode).check()
    dialog.get_by_role("button", name="Transfer", exact=True).click()


def gets_ready(desk: Page) -> None:
    """Opens the agents' page and presses *Ready*."""
    desk.goto("/desk")
    desk.locator("#standing").click()
    desk.get_by_role("button", name="Ready", exact=True).click()
    expect(desk.locator("#standing")).to_have_text("Ready")


def offer_of(desk: Page, name: str) -> Locator:
    """The card with the offer of a customer."""
    return desk.locator(".offer").filter(has=desk.get_by_text(name, exact=True))


def transfer_to_the_agent(page: Page, customer: SimulatedCustomer) -> None:
    """Offers a customer to `AGENT`, on the list."""
    only(page, customer).get_by_role("button", name="Transfer to a user").click()
    choose(page, "Anna Bellini", "Immediate")
    said(page, "Offered to Anna Bellini.")


def accepted(page: Page, desk: Page, customer: SimulatedCustomer) -> Locator:
    """Transfers a customer to the agent, who accepts. Returns the answer's field."""
    transfer_to_the_agent(page, customer)
    offer_of(desk, customer.name).get_by_role("button", name="Accept").click()
    answer = desk.get_by_label("Your answer")
    expect(answer).to_be_focused()
    expect(desk.locator("#talk-title")).to_have_text(customer.name)
    return answer
