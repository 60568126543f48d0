"""The browser of the browser tests and of the pictures: one that this machine has, else one that is installed.

`python -m tests.support.chromium` installs it where there is none: Debian's as root on Debian, else Playwright's own
into `.witiop/browsers`. Where neither can be had it says so; then the browser tests are skipped."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

VARIABLE = "WITIOP_TEST_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome")
OURS = Path(".witiop/browsers").absolute()
_SECONDS = 600
MISSING = (
    f"no browser was found, so the console is not tested in one: install Chromium ({' or '.join(NAMES)} on the PATH), "
    f"or name its program in {VARIABLE}"
)
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


def program() -> str | None:
    """The browser's program; None: there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return shutil.which(named)
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or next((str(each) for each in sorted(OURS.glob("chromium-*/*/chrome"), reverse=True)), None)


def install() -> None:
    """What is missing, as far as it can be had here; nothing where a browser is named."""
    if VARIABLE not in os.environ:
        _install()
    if program() is None:
        _say(MISSING)


def _install() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _say("installing Debian's Chromium, for the tests of the console")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]
        if not _run(install, quiet) and _run(["apt-get", "update", "-qq"], quiet):
            _run(install, quiet)
    if program() is None:
        _say(f"downloading Playwright's Chromium into {OURS}, for the tests of the console")
        _run([sys.executable, "-m", "playwright", "install", "chromium"], {"PLAYWRIGHT_BROWSERS_PATH": str(OURS)})


def _run(command: list[str], more: dict[str, str]) -> bool:
    """Whether it went well."""
    try:
        ended = subprocess.run(command, env={**os.environ, **more}, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


def _say(text: str) -> None:
    """To whoever installs."""
    sys.stderr.write(f"{text}\n")


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
        install()
