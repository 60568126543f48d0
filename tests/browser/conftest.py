"""A shop on the real processes, and a browser. All modules that one process of pytest runs share them, because a shop
takes half a minute to open. So each test that changes something has its own customers."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.flow.conftest import Install, installing, partitions
from tests.support.chromium import chromium, program, signed_in
from tests.support.databases import Databases
from tests.support.pages import watched
from tests.support.shop import OWNER, PASSWORD, Shop, open_shop

__all__ = ["partitions"]

expect.set_options(timeout=30_000)


@pytest.fixture(scope="package")
def install(kafka: str, databases: Databases, partitions: int) -> Iterator[Install]:
    """Creates installations that end with the browser tests."""
    with installing(kafka, databases, partitions) as install:
        yield install


@pytest.fixture(scope="package")
def shop(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    logs = tmp_path_factory.mktemp("shop")
    with install(logs) as system, open_shop(system, logs) as shop:
        yield shop


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = program()
    assert executable is not None
    with chromium(executable) as browser:
        yield browser


@pytest.fixture(scope="package")
def owner(browser: Browser, shop: Shop) -> BrowserContext:
    return signed_in(browser, shop.address, OWNER, PASSWORD)


@pytest.fixture
def page(owner: BrowserContext) -> Iterator[Page]:
    with watched(owner) as page:
        yield page
