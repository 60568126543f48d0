"""People in a browser: an administrator adds a supervisor, who signs in with a second factor and sees their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from infra.local.simulator import bike_shop
from infra.process.clock import utc_now
from tests.support.chromium import MISSING, program
from tests.support.pages import assert_accessible, cut_off, watched
from tests.support.shop import Shop
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]

NEW = "seven purple bicycles overnight"


def assert_fits(page: Page) -> None:
    """Nothing is cut off on a phone and on a desktop, and axe finds no violation in light and dark."""
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert [] == cut_off(page), (page.url, width)
    assert_accessible(page)


@contextmanager
def in_italian(browser: Browser, context: BrowserContext, shop: Shop) -> Iterator[Page]:
    """A page of the same person in another browser, which prefers Italian."""
    state = context.storage_state()
    italian = browser.new_context(base_url=shop.address, storage_state=state, locale="it-IT")
    with watched(italian) as page:
        yield page
    italian.close()


def test_a_supervisor_is_added_signs_in_with_a_code_and_sees_what_they_supervise(
    browser: Browser, owner: BrowserContext, page: Page, shop: Shop
) -> None:
    foreign, theirs = shop.customer("Ottavia Catena"), shop.customer("Guido Manubrio")
    shop.customer_writes(foreign, "La catena salta", line=bike_shop.RENTAL, ago="0:30")
    id_ = shop.customer_writes(theirs, "Il freno stride", line=bike_shop.SHOP, ago="0:30")
    password = added(page)
    context = browser.new_context(base_url=shop.address, locale="en-GB", timezone_id="Europe/Rome")
    with watched(context) as vera:
        vera.goto("/unmanaged")
        vera.get_by_label("Name").fill("vera")
        vera.get_by_label("Password").fill(password)
        vera.get_by_role("button", name="Sign in").click()
        expect(vera.get_by_text("Choose your own to go on.")).to_be_visible()
        assert_fits(vera)
        vera.get_by_label("Current password").fill(password)
        vera.get_by_label("New password (at least").fill(NEW)
        vera.get_by_label("Repeat the new password").fill(NEW)
        vera.get_by_role("button", name="Change password").click()
        expect(vera.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
        secret = second_factor_set_up(vera)
        vera.locator(".me summary").click()
        vera.locator(".me").get_by_role("button", name="Sign out").click()
        vera.get_by_label("Name").fill("vera")
        vera.get_by_label("Password").fill(NEW)
        vera.get_by_role("button", name="Sign in").click()
        expect(vera.get_by_role("heading", name="Enter your code")).to_be_visible()
        assert_fits(vera)
        vera.get_by_label("Code from your authenticator app").fill(
            pyotp.TOTP(secret).at(utc_now() + timedelta(seconds=30))
        )
        vera.get_by_role("button", name="Continue").click()
        expect(vera.get_by_role("heading", name="Unmanaged conversations")).to_be_visible()
        expect(vera.get_by_text(theirs.name, exact=True)).to_be_visible()
        expect(vera.get_by_text(foreign.name, exact=True)).to_have_count(0)
        vera.goto(f"/unmanaged?open={id_}")
        expect(vera.get_by_role("button", name="Transfer to a skillset").last).to_be_visible()
        vera.goto("/people")
        expect(vera.get_by_text("Your level does not allow this.")).to_be_visible()
    context.close()
    page.goto("/audit?kind=people")
    expect(page.locator("tbody tr").filter(has_text="Added a person").first).to_contain_text("vera")
    assert_fits(page)
    with in_italian(browser, owner, shop) as italian:
        for path, title in (
            ("/people", "Persone che possono accedere"),
            ("/people/new", "Aggiungi una persona"),
            ("/people/person?name=vera", "Vera Bianchi"),
            ("/audit", "Registro delle azioni"),
            ("/account/second-factor", "Accesso in due passaggi"),
        ):
            italian.goto(path)
            expect(italian.get_by_role("heading", name=title, level=1)).to_be_visible()
            assert_fits(italian)


def test_a_person_is_erased_from_their_conversation_and_is_gone(
    browser: Browser, owner: BrowserContext, page: Page, shop: Shop
) -> None:
    leaves = shop.customer("Nadia Manopola")
    id_ = shop.customer_writes(leaves, "Cancellatemi, per favore", line=bike_shop.SHOP, ago="0:20")
    page.goto("/privacy")
    assert_fits(page)
    page.goto(f"/unmanaged?open={id_}&tab=info")
    page.get_by_role("link", name="Personal data").last.click()
    expect(page.get_by_text("1 conversation", exact=True)).to_be_visible()
    assert_fits(page)
    assert leaves.wa_id is not None
    page.goto("/privacy")
    page.get_by_label("Phone, or the id of a customer or conversation").fill(f"+{leaves.wa_id}")
    page.get_by_role("button", name="Look up").click()
    page.get_by_label("To confirm, type the phone or id again").fill("+39 333 0000000")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("Nothing was erased: this is not the same as above.")).to_be_visible()
    assert_fits(page)
    shop.start("retention")
    page.get_by_label("To confirm, type the phone or id again").fill(f"+{leaves.wa_id}")
    page.get_by_role("button", name="Erase for good").click()
    wait_until(lambda: erased(page), seconds=30, step=0.5)
    page.goto(f"/unmanaged?open={id_}&status=all")
    expect(page.get_by_text(leaves.name, exact=True)).to_have_count(0)
    with in_italian(browser, owner, shop) as italian:
        italian.goto("/privacy")
        expect(italian.get_by_role("heading", name="Dati personali", level=1)).to_be_visible()
        assert_fits(italian)


def erased(page: Page) -> bool:
    """Whether the list of erasures, read once more, has one that was carried out."""
    page.goto("/privacy")
    return page.get_by_role("cell", name="erased", exact=True).count() > 0


def added(page: Page) -> str:
    """An administrator adds Vera, who supervises the workshop; returns her one-time password."""
    page.goto("/people")
    assert_fits(page)
    page.get_by_role("link", name="Add a person").click()
    page.get_by_label("Name to sign in with").fill("vera")
    page.get_by_label("Shown name").fill("Vera Bianchi")
    page.get_by_label("Level").select_option(label="Supervisor of skillsets")
    page.get_by_role("checkbox").first.check()
    page.get_by_role("checkbox").last.check()
    assert_fits(page)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="One-time password")).to_be_visible()
    assert_fits(page)
    return page.locator(".one-time code").inner_text()


def second_factor_set_up(vera: Page) -> str:
    """Vera sets up a second factor with the key in text; returns it."""
    vera.goto("/account/second-factor")
    assert_fits(vera)
    vera.get_by_text("Enter the key by hand instead").click()
    secret = vera.locator("details code").inner_text().replace(" ", "")
    vera.get_by_label("Code from the app").fill(pyotp.TOTP(secret).at(utc_now()))
    vera.get_by_role("button", name="Turn on").click()
    expect(vera.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    expect(vera.locator(".recovery-codes li")).to_have_count(10)
    assert_fits(vera)
    vera.get_by_role("link", name="I have kept them").click()
    return secret
