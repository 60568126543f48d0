"""The browser for the browser tests and the screenshots: one that this machine has, or one that is installed for them.

`python -m tests.support.chromium` installs one if there is none: Debian's package as root on Debian, otherwise
Playwright's browser into `.witiop/browsers`. If neither is available, it prints a message and the browser tests are
skipped."""

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
INSTALLED = Path(".witiop/browsers").absolute()
_SECONDS = 600
MISSING = (
    f"no browser was found, so the browser tests are skipped: install Chromium ({' or '.join(NAMES)} on the PATH), "
    f"or set {VARIABLE} to a browser's program"
)
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
_ALLOWED = "--explicitly-allowed-ports=10080"
"""The one port among those that tests choose which Chromium does not visit by itself."""


def program() -> str | None:
    """Returns the browser's program; None if there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return shutil.which(named)
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or next((str(each) for each in sorted(INSTALLED.glob("chromium-*/*/chrome"), reverse=True)), None)


def install() -> None:
    """Installs a browser if there is none. Does nothing if the variable names one."""
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
        _say(f"downloading Playwright's Chromium into {INSTALLED}, for the tests of the console")
        _run([sys.executable, "-m", "playwright", "install", "chromium"], {"PLAYWRIGHT_BROWSERS_PATH": str(INSTALLED)})


def _run(command: list[str], more: dict[str, str]) -> bool:
    """Whether the command succeeded."""
    try:
        ended = subprocess.run(command, env={**os.environ, **more}, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


def _say(text: str) -> None:
    """Prints a message for the user."""
    sys.stderr.write(f"{text}\n")


@contextmanager
def chromium(executable: str) -> Iterator[Browser]:
    """Runs a headless browser. Until it is closed, this thread cannot run another event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*_QUIET, _ALLOWED])
        yield browser
        browser.close()


def signed_in(
    browser: Browser, address: str, name: str, password: str, lands: str = "Unmanaged conversations", **more: Any
) -> BrowserContext:
    """Returns a browser context, in the time zone of Rome, of a user who signed in on the page. `lands`: the heading of
    the page that they come to; `more`: Playwright's context options."""
    defaults = {"locale": "en-GB", "timezone_id": "Europe/Rome", "viewport": {"width": 1440, "height": 900}}
    context = browser.new_context(base_url=address, **(defaults | more))
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name=lands, level=1)).to_be_visible()
    page.close()
    return context


if __name__ == "__main__":
    if program() is None:
        install()
