"""A `consumers.workers.media.fetching.FileStore` in memory."""

from collections.abc import Iterator
from typing import BinaryIO

from infra.media.store import FileMissing, StoreUnavailable


class FakeStore:
    """Keeps files in `files`. `failing`: nothing is stored or read."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.failing = False

    def put(self, key: str, file: BinaryIO) -> None:
        """See the port."""
        self._check()
        self.files[key] = file.read()

    def read(self, key: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See the port."""
        self._check()
        if key not in self.files:
            raise FileMissing("the store does not have the file")
        yield self.files[key][begin:end]

    def delete(self, key: str) -> None:
        """See the port."""
        self._check()
        self.files.pop(key, None)

    def _check(self) -> None:
        if self.failing:
            raise StoreUnavailable("the store could not be reached")
