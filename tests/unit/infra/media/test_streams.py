"""Streams of files: read part by part, and never taken for whole when they are not."""

import asyncio
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from infra.media.store import StoreUnavailable
from infra.media.streams import PART, FileStreams

CONTENT = bytes(range(256)) * 8192


class AskedStore:
    """Keeps one file; notes which parts were asked for."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.asked: list[tuple[int, int | None]] = []

    def put(self, key: str, file: BinaryIO) -> None:
        """See the port."""
        self.content = file.read()

    def read(self, key: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See the port."""
        self.asked.append((begin, end))
        yield self.content[begin:end]


def streamed(store: AskedStore, begin: int, end: int, most: int = 100) -> bytes:
    """What a browser gets that leaves after so many parts."""

    async def parts() -> bytes:
        found = b""
        stream = FileStreams(store).stream("key", begin, end)
        for _ in range(most):
            if not (part := await anext(stream, b"")):
                break
            found += part
        await stream.aclose()
        return found

    return asyncio.run(parts())


def test_a_file_is_read_part_by_part_and_no_further_than_the_browser_reads() -> None:
    store = AskedStore()
    assert CONTENT[7 : PART + 99] == streamed(store, 7, PART + 99)
    assert [(7, PART + 7), (PART + 7, PART + 99)] == store.asked
    store = AskedStore()
    assert CONTENT[:PART] == streamed(store, 0, len(CONTENT), most=1)
    assert [(0, PART)] == store.asked


def test_a_file_that_became_shorter_breaks_the_stream() -> None:
    with pytest.raises(StoreUnavailable):
        streamed(AskedStore(CONTENT[:10]), 0, 20)
