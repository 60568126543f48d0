"""Files are made in a thread while they are sent, in constant memory, and end when nobody takes them."""

import asyncio
import io
import threading
import tracemalloc
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from zipfile import ZipFile

import openpyxl
import pytest

from console.downloads import START_SECONDS, DownloadBroken, Downloads, TooManyDownloads
from infra.sheets.workbook import Cell, Sheet, workbook

SHEET = Sheet("Rows", "Rows", datetime(2026, 11, 29, tzinfo=UTC), [("A", 10)] * 20)


def test_the_parts_arrive_in_order_and_the_place_is_free_afterwards() -> None:
    downloads = Downloads()
    for _ in range(3):
        assert b"0123456789" == asyncio.run(received(downloads, lambda: (b"%d" % n for n in range(10))))


async def received(downloads: Downloads, make: Callable[[], Generator[bytes, None, None]]) -> bytes:
    return b"".join([part async for part in downloads.stream(downloads.take("boss"), make)])


def test_a_file_that_fails_ends_and_frees_its_place() -> None:
    def failing() -> Generator[bytes, None, None]:
        yield b"first"
        raise ValueError

    downloads = Downloads()
    with pytest.raises(DownloadBroken, match="ValueError"):
        asyncio.run(received(downloads, failing))
    downloads.take("boss")


def endless(closed: threading.Event) -> Generator[bytes, None, None]:
    """A file without an end. `closed`: set when nobody wants it any more."""
    try:
        while True:
            yield b"part"
    finally:
        closed.set()


def test_a_file_is_left_when_its_browser_leaves() -> None:
    closed = threading.Event()

    async def leave() -> None:
        downloads = Downloads()
        stream = downloads.stream(downloads.take("boss"), partial(endless, closed))
        await anext(stream)
        await stream.aclose()
        assert await asyncio.to_thread(closed.wait, 10)

    asyncio.run(leave())


def test_a_file_is_left_when_its_browser_takes_nothing() -> None:
    closed = threading.Event()

    async def wait() -> None:
        downloads = Downloads(stall_seconds=0.05)
        stream = downloads.stream(downloads.take("boss"), partial(endless, closed))
        await anext(stream)
        assert await asyncio.to_thread(closed.wait, 10)
        with pytest.raises(DownloadBroken):
            assert b"part" * 4 == b"".join([part async for part in stream])

    asyncio.run(wait())


def test_a_place_that_was_never_used_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    downloads, now = Downloads(), 100.0
    monkeypatch.setattr("console.downloads.monotonic", lambda: now)
    downloads.take("boss").taken_at = now
    with pytest.raises(TooManyDownloads):
        downloads.take("boss")
    now += START_SECONDS + 1
    downloads.take("boss")


def test_a_file_that_begins_after_its_place_was_given_away_still_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    downloads, now = Downloads(), 100.0
    monkeypatch.setattr("console.downloads.monotonic", lambda: now)

    async def late() -> bytes:
        nonlocal now
        first = downloads.take("boss")
        now = first.taken_at + START_SECONDS + 1
        downloads.take("boss")
        parts = downloads.stream(first, lambda: (part for part in [b"all"]))
        async with asyncio.timeout(60):
            return b"".join([part async for part in parts])

    assert b"all" == asyncio.run(late())


@pytest.mark.parametrize("text", ["a text of a customer \N{WAVING HAND SIGN} " * 20, "x" * 60_000])
def test_a_workbook_needs_the_same_memory_for_any_number_of_rows(text: str) -> None:
    rows = 20_000 if len(text) < 1000 else 2000
    lines = ([text, rows, None, timedelta(hours=1), *["cell"] * 16] for _ in range(rows))
    tracemalloc.start()
    try:
        size = sum(map(len, workbook(SHEET, lines)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 100_000
    assert most < 20 * 1024 * 1024


def test_a_long_text_is_cut_to_the_length_of_a_cell_in_utf_16() -> None:
    wave = "\N{WAVING HAND SIGN}"
    content = b"".join(workbook(SHEET, [[wave * 20_000, "x" * 40_000]]))
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    assert [wave * 16_383, "x" * 32_767] == [cell.value for cell in next(sheet.iter_rows(min_row=2))][:2]


def test_a_workbook_of_more_columns_than_letters_names_them_all() -> None:
    cells: list[Cell] = ["x"] * 30
    content = b"".join(workbook(Sheet("R", "R", SHEET.made_at, [("A", 10)] * 30), [cells]))
    with ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        written = archive.read("xl/worksheets/sheet1.xml").decode()
    assert '<autoFilter ref="A1:AD2"/>' in written
    assert 'r="Z2"' in written and 'r="AD2"' in written
