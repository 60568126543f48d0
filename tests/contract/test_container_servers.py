"""The container servers of WITIOP_TEST_STACK=docker, against a fake Docker engine."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.jars import ENDPOINT
from infra.local.postgres import binary
from tests.support.fake_docker import FakeDocker, fake_docker
from tests.support.servers import KAFKA_IMAGE, POSTGRES_IMAGE, kafka_bootstrap, postgres_dsn


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDocker]:
    from testcontainers.core.config import ConnectionMode, testcontainers_config

    monkeypatch.setenv("WITIOP_TEST_STACK", "docker")
    # Ryuk removes containers after a crash through the engine's socket; a fake engine cannot run it.
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    monkeypatch.setattr(testcontainers_config, "connection_mode_override", ConnectionMode.docker_host)
    with fake_docker() as docker:
        monkeypatch.setenv("DOCKER_HOST", docker.url)
        yield docker


def test_the_broker_listens_on_the_port_that_it_advertises(docker: FakeDocker, tmp_path: Path) -> None:
    with kafka_bootstrap(tmp_path) as bootstrap:
        (container,) = docker.created
    host, _, port = bootstrap.partition(":")
    assert container["Image"] == KAFKA_IMAGE
    assert f"KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://{host}:{port}" in container["Env"]
    assert container["HostConfig"]["PortBindings"] == {"9092/tcp": [{"HostIp": "", "HostPort": port}]}
    assert len(docker.removed) == 1


def test_the_database_is_reached_on_the_port_that_the_engine_assigned(docker: FakeDocker, tmp_path: Path) -> None:
    with postgres_dsn(tmp_path) as dsn:
        (container,) = docker.created
    assert container["Image"] == POSTGRES_IMAGE
    assert "POSTGRES_USER=postgres" in container["Env"]
    assert container["Cmd"][:3] == ["postgres", "-c", "fsync=off"]
    assert re.fullmatch(r"postgresql://postgres:\w+" r"@127\.0\.0\.1:32768/postgres", dsn)
    assert len(docker.removed) == 1


def test_containers_have_the_same_versions_as_the_local_servers() -> None:
    assert ENDPOINT[0] == f"org.apache.kafka:kafka_2.13:{KAFKA_IMAGE.partition(':')[2]}!"
    version = subprocess.run([binary("postgres"), "--version"], check=True, capture_output=True, text=True).stdout
    assert f"postgres:{version.split()[2].partition('.')[0]}" == POSTGRES_IMAGE
