"""Files of the store as streams. Each part is read by itself, in one of a few threads: a browser that stops reading
holds neither a thread nor a connection to the store, and a slow store keeps only files waiting."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, Protocol

from infra.media.store import StoreUnavailable

PART = 512 * 1024
_THREADS = 8


class StreamedStore(Protocol):
    """Keeps files. Raises `infra.media.store.StoreUnavailable`."""

    def put(self, key: str, file: BinaryIO) -> None: ...

    def read(self, key: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]: ...


class FileStreams:
    """Streams the files of a store. May be used from any event loop."""

    def __init__(self, store: StreamedStore) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(_THREADS, "files")

    def put(self, key: str, file: BinaryIO) -> None:
        """Stores a file that a person sent. Blocks; raises StoreUnavailable."""
        self._store.put(key, file)

    def read(self, key: str) -> Iterator[bytes]:
        """Yields a whole file in parts. Blocks; raises StoreUnavailable."""
        return self._store.read(key)

    async def stream(self, key: str, begin: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yields a file from byte `begin` up to but without `end`. Raises StoreUnavailable, also if the file is
        shorter."""
        while begin < end:
            part = await self._read(key, begin, min(begin + PART, end))
            if not part:
                raise StoreUnavailable("the file is shorter than it was")
            yield part
            begin += len(part)

    async def small(self, key: str) -> AsyncGenerator[bytes, None]:
        """Yields a whole file in one part. Raises StoreUnavailable."""
        yield await self._read(key, 0, None)

    async def _read(self, key: str, begin: int, end: int | None) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: b"".join(self._store.read(key, begin, end)))
