"""The installation of the flow tests, for the browser tests; a shop on it, and a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.flow.conftest import Install, install, partitions
from tests.support.chromium import chromium, program, signed_in
from tests.support.pages import watched
from tests.support.shop import OWNER, PASSWORD, Shop, open_shop

__all__ = ["install", "partitions"]

expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def shop(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One shop for all tests of the module; each test that changes something has its own customers."""
    logs = tmp_path_factory.mktemp("shop")
    with install(logs) as system, open_shop(system, logs) as shop:
        yield shop


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = program()
    assert executable is not None
    with chromium(executable) as browser:
        yield browser


@pytest.fixture(scope="module")
def owner(browser: Browser, shop: Shop) -> BrowserContext:
    return signed_in(browser, shop.address, OWNER, PASSWORD)


@pytest.fixture
def page(owner: BrowserContext) -> Iterator[Page]:
    with watched(owner) as page:
        yield page
