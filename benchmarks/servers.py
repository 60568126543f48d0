"""The servers that the measurements run on: a real Kafka and a real PostgreSQL with their data in one directory. It is
kept, because ten million conversations take longer to make than to measure."""

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
"""What a database of this size is given: the index pages of ten million conversations fit, and no checkpoint falls
into one half of a comparison. Everything else is the server's own default; what is committed is on the disk."""


@contextmanager
def postgres(data: Path, *, durable: bool = True) -> Iterator[LocalPostgres]:
    """A server; `durable` False while data are made that can be made again."""
    with LocalPostgres(data / "postgres", fsync=durable, settings=SETTINGS) as server:
        yield server


@contextmanager
def kafka(data: Path) -> Iterator[str]:
    """A broker, as host:port."""
    with LocalKafka(data / "kafka") as broker:
        yield broker.bootstrap
