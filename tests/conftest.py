"""Fixtures for every kind of test, and how property tests draw their examples."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.databases import Databases
from tests.support.servers import kafka_bootstrap, postgres_dsn

# The same examples in every run: no build fails or passes by luck. `pytest --hypothesis-profile=random` looks further.
# No time limit for an example: on a busy machine it fails tests that are right; pytest's own limit finds a hang.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.register_profile("random", deadline=None)
settings.load_profile("repeatable")


def pytest_collection_finish() -> None:
    """Excludes modules and collected tests from garbage collection: they live as long as the run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The session's real broker, as host:port; make your own topics on it."""
    with kafka_bootstrap(tmp_path_factory.mktemp("kafka")) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The session's real server, as the address of its administration database; make your own databases on it."""
    with postgres_dsn(tmp_path_factory.mktemp("postgres")) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def databases(postgres: str) -> Databases:
    """Databases with our schema, for tests that need more than one."""
    return Databases(postgres)


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """A fresh database with our schema, as its address."""
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)
