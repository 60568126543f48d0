"""A console for each test, on a database of its own."""

from collections.abc import Iterator

import pytest

from tests.support.console import Browser, Console, open_console


@pytest.fixture
def console(database: str) -> Iterator[Console]:
    with open_console(database) as console:
        yield console


@pytest.fixture
def boss(console: Console) -> Browser:
    """The browser of an administrator who is signed in."""
    return console.signed_in()
