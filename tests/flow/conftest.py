"""An installation for a test: the session's servers, a database and topics of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from infra.postgres import directory
from tests.support.databases import Databases
from tests.support.kafka_topics import new_topics
from tests.support.stories import DIRECTORY
from tests.support.system import System

Install = Callable[[Path], System]
"""Gives an installation that is ready for its processes; the path is for logs."""


@pytest.fixture(scope="session")
def partitions() -> int:
    """Of every topic: more than there ever are consumers, few enough to be made quickly."""
    return 4


@pytest.fixture(scope="module")
def install(kafka: str, databases: Databases, partitions: int) -> Iterator[Install]:
    """Makes installations that end with the module's tests."""
    with ExitStack() as stack:

        def make(logs: Path) -> System:
            dsn = databases.create()
            stack.callback(databases.drop, dsn)
            with psycopg.connect(dsn) as connection:
                directory.apply(connection, DIRECTORY)
            return stack.enter_context(System(kafka, dsn, new_topics(kafka, partitions), logs))

        yield make


@pytest.fixture
def system(install: Install, tmp_path: Path) -> Iterator[System]:
    """One for this test alone."""
    with install(tmp_path) as made:
        yield made
