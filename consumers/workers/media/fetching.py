"""Fetches the files of customers' messages as soon as these are known: Meta keeps them for seven days only."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from tempfile import TemporaryFile
from threading import Event as Flag
from typing import Any, BinaryIO, NamedTuple, Protocol

import structlog
from psycopg import Connection

from domain.messages.files import HEAD_BYTES, limit_of, sniffed_type
from infra.graph.media import GraphMedia, NotFetched, TooLarge
from infra.media.store import THUMBNAIL, StoreUnavailable
from infra.postgres.connections.clock import database_now
from infra.postgres.media import received
from infra.postgres.media.received import DueFetch, StoredFile
from infra.process.crash_points import crash_point

_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(hours=1)
_PICTURES = ("image/jpeg", "image/png", "image/webp")

log = structlog.get_logger("media")


class FileStore(Protocol):
    """Keeps files under the hash of their bytes. The methods raise `infra.media.store.StoreUnavailable`."""

    def put(self, key: str, file: BinaryIO) -> None: ...

    def read(self, key: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]: ...


class FetchLater(NamedTuple):
    """Why a file was not fetched; it is tried again."""

    reason: str


class FetchNever(NamedTuple):
    """Why a file is not to be fetched."""

    reason: str


FetchOutcome = StoredFile | FetchLater | FetchNever


class MediaFetching:
    """The task of `MediaTransfers`. `thumbnail`: makes a picture small; None: it cannot be opened."""

    def __init__(self, source: GraphMedia, store: FileStore, thumbnail: Callable[[BinaryIO], bytes | None]) -> None:
        self._source = source
        self._store = store
        self._thumbnail = thumbnail

    def claim(self, connection: Connection[Any], most: int) -> Sequence[DueFetch]:
        """See `TransferTask`."""
        return received.claim(connection, most)

    def carry_out(self, item: DueFetch, stopping: Flag) -> FetchOutcome:
        """See `TransferTask`. The file goes through a temporary one, not through memory."""
        most = limit_of(item.kind)
        with TemporaryFile() as file:
            try:
                fetched = self._source.fetch(
                    item.meta_id, item.phone_number_id, item.announced_sha256, most, file, lambda: not stopping.is_set()
                )
                crash_point("media.after-download")
                file.seek(0)
                self._store.put(fetched.sha256, file)
                file.seek(0)
                shown = sniffed_type(file.read(HEAD_BYTES))
                small = self._thumbnail(file) if shown in _PICTURES else None
                if small is not None:
                    with TemporaryFile() as made:
                        made.write(small)
                        made.seek(0)
                        self._store.put(fetched.sha256 + THUMBNAIL, made)
            except TooLarge:
                return FetchNever(f"larger than the {most:,} bytes that a file of this kind may have")
            except (NotFetched, StoreUnavailable) as error:
                return FetchLater(str(error))
        return StoredFile(fetched.sha256, fetched.size, shown, small is not None)

    def record(self, connection: Connection[Any], item: DueFetch, outcome: FetchOutcome | None) -> str:
        """See `TransferTask`. Tries again, less and less often, until Meta does not have the file any more."""
        message = item.message_id
        match outcome:
            case StoredFile():
                received.store(connection, message, outcome)
                return "stored"
            case FetchNever(reason):
                received.give_up(connection, message, reason)
                log.warning("media.given_up", message_id=str(message), reason=reason)
                return "failed"
            case FetchLater(reason):
                pass
            case _:
                reason = "a defect of ours"
        if database_now(connection) >= item.expires_at:
            received.give_up(connection, message, f"Meta does not keep it any longer; the last try: {reason}")
            log.warning("media.given_up", message_id=str(message), reason=reason)
            return "failed"
        received.retry(connection, message, reason, wait_after(item.attempts))
        log.info("media.not_fetched", message_id=str(message), reason=reason, attempts=item.attempts)
        return "again"


def wait_after(attempts: int) -> timedelta:
    """Returns how long to wait after so many attempts: 5 s, 10 s, 20 s, at most an hour."""
    doubled: int = 2 ** min(attempts - 1, 20)
    return min(_FIRST_WAIT * doubled, _LONGEST_WAIT)
