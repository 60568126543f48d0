"""The browser of the browser tests and of the pictures: one that this machine has; none is downloaded."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

VARIABLE = "WITIOP_TEST_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    f"no browser was found, so the console is not tested in one: install Chromium ({' or '.join(NAMES)} on the PATH), "
    f"or name its program in {VARIABLE}"
)
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


def program() -> str | None:
    """The browser's program; None: there is none."""
    named = os.environ.get(VARIABLE)
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium(executable: str) -> Iterator[Browser]:
    """One that shows nothing on the screen. Until it is closed this thread can run no other event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_QUIET)
        yield browser
        browser.close()


def signed_in(browser: Browser, address: str, name: str, password: str, **more: Any) -> BrowserContext:
    """A browser in Verona of somebody who came in through the page. `more`: Playwright's options of a context."""
    desk = {"locale": "en-GB", "timezone_id": "Europe/Rome", "viewport": {"width": 1440, "height": 900}}
    context = browser.new_context(base_url=address, **(desk | more))
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Unmanaged conversations")).to_be_visible()
    page.close()
    return context


if __name__ == "__main__":
    if program() is None:
        sys.stderr.write(f"{MISSING}\n")
