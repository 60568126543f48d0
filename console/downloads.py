"""Downloads: files that are made in threads of their own while they are sent, so that one costs the same memory however
long it is, and pages get their share of the processor. Only a few at a time, and one per person."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import quote

import structlog

MAX_AT_ONCE = 4
"""Downloads of all people at a time."""
START_SECONDS = 10.0
"""A download that the server has not begun to send after this time never will be: its browser left."""
STALL_SECONDS = 20.0
"""A download whose browser takes nothing for so long is ended: it holds a snapshot of the database."""
_PARTS_AHEAD = 4

_File = Generator[bytes, None, None]
_KEPT_IN_NAMES = "!#$&+-.^_`|~"
"""What RFC 5987 leaves as it is, besides letters and digits."""

log = structlog.get_logger()


def disposition(name: str, *, inline: bool = False) -> str:
    """The header that names a file (RFC 6266). `inline`: the browser may show it instead of saving it."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._- ") else "-" for char in name)
    how = "inline" if inline else "attachment"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_KEPT_IN_NAMES)}"


class TooManyDownloads(Exception):
    """No further download can begin now. `own`: because the person has one already."""

    def __init__(self, own: bool) -> None:
        super().__init__("own" if own else "all")
        self.own = own


class DownloadBroken(Exception):
    """A file ends before its end."""


@dataclass(eq=False, slots=True)
class Download:
    """A place for one download of a person."""

    person: str
    taken_at: float = field(default_factory=monotonic)
    has_begun: bool = False


class Downloads:
    """The downloads of one process. Thread-safe."""

    def __init__(self, most: int = MAX_AT_ONCE, stall_seconds: float = STALL_SECONDS) -> None:
        self._most, self._stall_seconds = most, stall_seconds
        self._lock = threading.Lock()
        self._open: list[Download] = []

    def take(self, person: str) -> Download:
        """Takes a place. Raises TooManyDownloads."""
        with self._lock:
            began = monotonic() - START_SECONDS
            self._open = [each for each in self._open if each.has_begun or each.taken_at > began]
            own = any(each.person == person for each in self._open)
            if own or len(self._open) >= self._most:
                raise TooManyDownloads(own)
            self._open.append(download := Download(person))
            return download

    async def stream(self, download: Download, make: Callable[[], _File]) -> AsyncGenerator[bytes, None]:
        """The parts of a file. `make` runs in a thread of its own; its generator is closed when the browser leaves or
        takes nothing for `STALL_SECONDS`. Raises DownloadBroken if the file cannot be finished."""
        download.has_begun = True
        parts: asyncio.Queue[bytes | DownloadBroken | None] = asyncio.Queue(_PARTS_AHEAD)
        left = threading.Event()
        arguments = (download, make, parts, asyncio.get_running_loop(), left)
        threading.Thread(target=self._make, args=arguments, name="download", daemon=True).start()
        try:
            while (part := await parts.get()) is not None:
                if isinstance(part, DownloadBroken):
                    raise part
                yield part
        finally:
            left.set()
            while not parts.empty():  # the thread may wait for room
                parts.get_nowait()

    def _make(
        self,
        download: Download,
        make: Callable[[], _File],
        parts: "asyncio.Queue[bytes | DownloadBroken | None]",
        loop: asyncio.AbstractEventLoop,
        left: threading.Event,
    ) -> None:
        end: DownloadBroken | None = None
        try:
            with closing(make()) as file:
                for part in file:
                    asyncio.run_coroutine_threadsafe(parts.put(part), loop).result(self._stall_seconds)
                    if left.is_set():
                        break
        except TimeoutError:
            end = DownloadBroken("the browser takes nothing")
        except Exception as error:  # a defect, which would be lost in the thread
            log.error("download.failed", error=type(error).__name__)
            end = DownloadBroken(type(error).__name__)
        finally:
            with self._lock:
                self._open = [each for each in self._open if each is not download]
        if not left.is_set():
            asyncio.run_coroutine_threadsafe(parts.put(end), loop)
