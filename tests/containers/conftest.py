"""One engine, and one installation on it, for all tests in containers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import CACHE_DIR
from tests.containers.deployment import Deployment
from tests.containers.engine import Docker, NoEngine, engine
from tests.containers.outside import Outside, outside
from tests.containers.packages import Debian
from tests.containers.stand_ins import IMAGES, is_stand_in, provide

_SECONDS = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a kind waits for everything that is made and started for it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_SECONDS))


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """An engine with all images; without one, the tests are skipped and say why."""
    debian = Debian(CACHE_DIR)
    try:
        with engine(debian) as found:
            provide(found, debian)
            for name in IMAGES.values():
                print(f"{name}: {'a stand-in' if is_stand_in(found, name) else 'as published'}")
            yield found
    except NoEngine as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def prepared(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """An installation that does not run yet."""
    return Deployment(docker, tmp_path_factory.mktemp("deployment"))


@pytest.fixture(scope="session")
def world(prepared: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """Stand-ins for Meta and Amazon, which the installation uses."""
    directory = tmp_path_factory.mktemp("outside")
    with outside(prepared.docker, directory, prepared.webhooks.url, prepared.app_secret) as running:
        yield running


@pytest.fixture(scope="session")
def deployment(prepared: Deployment, world: Outside) -> Iterator[Deployment]:
    """The installation, which runs: built, started and opened like a deployer's."""
    prepared.write(world.variables)
    try:
        prepared.up("--build")
        prepared.open()
        yield prepared
    finally:
        prepared.compose("down", "--volumes", "--timeout", "20")
