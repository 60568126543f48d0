"""Deletes files from the store that no message needs any more. In a module of its own, because the store's client takes
memory that the process has no use for where there is no store."""

from typing import Any, Protocol

import structlog
from prometheus_client import Counter
from psycopg import Connection

from infra.media.store import THUMBNAIL, StoreUnavailable
from infra.postgres.retention import files

_MOST = 20
"""Files of one transaction, which is idle while the store answers."""

_DELETED = Counter("witiop_retention_files_deleted", "Files that were deleted from the store.")

log = structlog.get_logger("retention")


class DeletingStore(Protocol):
    """Deletes files. The method raises `infra.media.store.StoreUnavailable`."""

    def delete(self, key: str) -> None: ...


class FileRemoval:
    """Deletes what is noted, in the caller's transaction."""

    def __init__(self, store: DeletingStore) -> None:
        self._store = store

    def __call__(self, connection: Connection[Any]) -> bool:
        """Deletes some files, each with its thumbnail; returns whether there may be more. While the store does not
        answer they stay noted. Blocks while the store answers. Raises psycopg errors."""
        unneeded = files.take_unneeded(connection, _MOST)
        done: list[str] = []
        try:
            for each in unneeded:
                self._store.delete(each)
                self._store.delete(each + THUMBNAIL)
                done.append(each)
        except StoreUnavailable as error:
            log.warning("retention.store_unavailable", reason=str(error))
        files.forget_unneeded(connection, done)
        _DELETED.inc(len(done))
        return len(done) == _MOST
