"""An installation for a test: the session's servers, a database and topics of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from infra.postgres import directory
from tests.support.databases import Databases
from tests.support.kafka_topics import new_topics
from tests.support.stories import DIRECTORY
from tests.support.system import System

Install = Callable[[Path], System]
"""Creates an installation whose processes can be started. The argument is the directory for the logs."""


@pytest.fixture(scope="session")
def partitions() -> int:
    """Partitions of every topic: more than consumers in any test, few enough to be created quickly."""
    return 4


@contextmanager
def installing(kafka: str, databases: Databases, partitions: int) -> Iterator[Install]:
    """Creates installations, which end with the context."""
    with ExitStack() as stack:

        def make(logs: Path) -> System:
            dsn = databases.create()
            stack.callback(databases.drop, dsn)
            with psycopg.connect(dsn) as connection:
                directory.apply(connection, DIRECTORY)
            return stack.enter_context(System(kafka, dsn, new_topics(kafka, partitions), logs))

        yield make


@pytest.fixture(scope="module")
def install(kafka: str, databases: Databases, partitions: int) -> Iterator[Install]:
    """Creates installations that end with the tests of the module."""
    with installing(kafka, databases, partitions) as install:
        yield install


@pytest.fixture
def system(install: Install, tmp_path: Path) -> Iterator[System]:
    """An installation for one test."""
    with install(tmp_path) as made:
        yield made
