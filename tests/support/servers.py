"""The real Kafka and PostgreSQL servers that tests run on: one of each per test session.

By default they are the development servers of `infra.local`. With WITIOP_TEST_STACK=docker they are containers of the
same versions, for machines that have a Docker engine.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from infra.local.kafka import LocalKafka, node_settings
from infra.local.ports import free_port
from infra.local.postgres import LocalPostgres

KAFKA_IMAGE = "apache/kafka:4.3.1"
POSTGRES_IMAGE = "postgres:18"
_CONTAINER_START_SECONDS = 180
_MEMORY, _PREFIX = Path("/dev/shm"), "witiop-tests-"
_MEMORY_BYTES = 8 * 1024**3
_WAL = "256MB"
_CLIENT_PORT, _CONTROLLER_PORT = 9092, 9093


def on_docker() -> bool:
    """Whether the tests run on containers."""
    return os.environ.get("WITIOP_TEST_STACK") == "docker"


@contextmanager
def kafka_bootstrap(directory: Path) -> Iterator[str]:
    """Runs a broker and yields its host:port for clients."""
    if on_docker():
        with _kafka_container() as bootstrap:
            yield bootstrap
    else:
        with LocalKafka(directory) as kafka:
            yield kafka.bootstrap


@contextmanager
def postgres_dsn(directory: Path) -> Iterator[str]:
    """Runs a server and yields the DSN of its administration database. Commits do not wait for the disk."""
    if on_docker():
        with _postgres_container() as dsn:
            yield dsn
    else:
        with (
            _in_memory(directory) as place,
            LocalPostgres(place, fsync=False, settings={"max_wal_size": _WAL}) as postgres,
        ):
            yield postgres.dsn


@contextmanager
def _in_memory(directory: Path) -> Iterator[Path]:
    """Yields a directory in memory if the machine has much of it for files, else the directory. Each test has a
    database of its own, of 600 files: four processes that create them on one disk mostly wait for it."""
    for left in _MEMORY.glob(f"{_PREFIX}*") if _MEMORY.is_dir() else ():
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):  # of tests that were killed
            shutil.rmtree(left, ignore_errors=True)
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _MEMORY_BYTES:
        yield directory
        return
    with TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir=_MEMORY, ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)  # the server runs as another user
        yield Path(made) / "postgres"


@contextmanager
def _kafka_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    container = DockerContainer(KAFKA_IMAGE)
    # The broker advertises its own address to clients, so the port must be known before it starts.
    host, port = container.get_docker_client().host(), free_port()
    container.with_envs(**kafka_environment(host, port)).with_bind_ports(_CLIENT_PORT, port)
    started = LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(_CONTAINER_START_SECONDS)
    with container.waiting_for(started):
        yield f"{host}:{port}"


@contextmanager
def _postgres_container() -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer

    container = PostgresContainer(POSTGRES_IMAGE, username="postgres", dbname="postgres", driver=None)
    with container.with_command("postgres -c fsync=off -c full_page_writes=off -c synchronous_commit=off"):
        yield container.get_connection_url()


def kafka_environment(host: str, port: int) -> dict[str, str]:
    """Returns the image's environment variables for a single node that clients reach at host:port."""
    settings = {
        **node_settings(),
        "listeners": f"PLAINTEXT://:{_CLIENT_PORT},CONTROLLER://:{_CONTROLLER_PORT}",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "controller.quorum.voters": f"1@localhost:{_CONTROLLER_PORT}",
    }
    return {f"KAFKA_{name.replace('.', '_').upper()}": value for name, value in settings.items()}
