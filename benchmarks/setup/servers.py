"""A real Kafka and a real PostgreSQL for the measurements. Their data directory is kept between runs, because creating
ten million conversations takes longer than measuring."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.kafka import LocalKafka
from infra.local.postgres import LocalPostgres

SETTINGS = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "maintenance_work_mem": "1GB",
    "track_commit_timestamp": "on",
}
"""Settings for a database of this size: the index pages of ten million conversations fit into memory, and no checkpoint
affects only one half of a comparison. All other settings are defaults, so commits are durable."""


@contextmanager
def postgres(data: Path, *, durable: bool = True) -> Iterator[LocalPostgres]:
    """Yields a server. `durable` is False while data are created that can be created again."""
    with LocalPostgres(data / "postgres", fsync=durable, settings=SETTINGS) as server:
        yield server


@contextmanager
def kafka(data: Path) -> Iterator[str]:
    """Yields a broker as host:port."""
    with LocalKafka(data / "kafka") as broker:
        yield broker.bootstrap
