"""Reads requests from the bytes of one connection, within limits.

The parser is llhttp, the one of Node.js, in its strict mode: line ends must be CR LF, and a length that is announced
twice is an error.
"""

import io
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from infra.serving.limits import RequestLimits
from infra.serving.rejection import Rejected, busy, malformed
from infra.serving.request_head import MAX_HEAD_BYTES, RequestHead

_OVERHEAD = 8
"""How many bytes more than its content a chunked body may have per byte: a chunk of one byte has five."""
_SMALL_BYTES = 64 * 1024
_PART_BYTES = 4 * 1024
_BODY_PART_BYTES = 64 * 1024


@dataclass(slots=True)
class Buffered:
    """The size of all bodies in a process that were received and not yet answered, in bytes."""

    size: int = 0


class Phase(Enum):
    """What of the next request has arrived."""

    IDLE = "nothing"
    HEAD = "a part of the head"
    BODY = "the head and perhaps a part of the body"


@dataclass(eq=False, slots=True)
class ReadRequest:
    """A complete request. `arrived`: the time (`time.monotonic`) at which it was complete."""

    head: RequestHead
    body: io.BytesIO
    size: int
    keep_alive: bool
    arrived: float


class RequestReader:
    """`complete`: the requests that have arrived, oldest first. `rejection`: why nothing more is read; it is the answer
    after those to the complete requests."""

    def __init__(self, limits: RequestLimits, buffered: Buffered) -> None:
        self._limits = limits
        self._buffered = buffered
        self._parser = HttpRequestParser(self)
        self._body = io.BytesIO()
        self._kept_head: RequestHead | None = None
        self._overhead = 0
        """Bytes since the request began that were not content of its body."""
        self.phase = Phase.IDLE
        self.head = RequestHead()
        self.complete: deque[ReadRequest] = deque()
        self.rejection: Rejected | None = None

    def feed(self, data: bytes) -> None:
        """Parses the next bytes."""
        if self.phase is Phase.IDLE and data.startswith(b"\n"):  # which the parser skips
            self.rejection = malformed("Lines end with CR LF.")
            return
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            if self.rejection is None:
                self._ignore_upgrade(data[upgrade.args[0] :])
        except HttpParserError as error:
            self.rejection = self.rejection or malformed(f"Not a valid request: {error}.")
        if self._overhead > MAX_HEAD_BYTES + _OVERHEAD * self._body.tell() and self.rejection is None:
            self.rejection = Rejected(431, "too_large", "The head of the request is too large.")

    def part_bytes(self) -> int:
        """Returns how many bytes to feed at a time: few where they could hold many requests, which would all be in
        memory."""
        if self.phase is not Phase.BODY:
            return _PART_BYTES
        if self.head.chunked:
            return _BODY_PART_BYTES
        return max(_PART_BYTES, (self.head.length or 0) - self._body.tell())

    def end(self) -> None:
        """Takes note that nothing more will arrive: a body that is not complete is rejected."""
        if self.phase is Phase.BODY:
            self.rejection = self.rejection or Rejected(400, "ended_early", "The body ended before it was complete.")

    def forget_body(self) -> None:
        """Frees the body that is not complete."""
        self._buffered.size -= self._body.getbuffer().nbytes
        self._body = io.BytesIO()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Parses the rest of a request that asks for another protocol, e.g. HTTP/2, as if it did not ask."""
        self._parser = HttpRequestParser(self)
        self._kept_head = self.head
        self.feed(self.head.without_upgrade() + rest)

    # What the parser calls. An error in these methods would be lost, so a rejection is kept for later.

    def on_message_begin(self) -> None:
        self.phase = Phase.HEAD
        self.head = RequestHead()

    def on_url(self, part: bytes) -> None:
        self._check(self.head.add_target, part)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.rejection is None and self.phase is Phase.HEAD:  # a trailer is ignored
            try:
                self.head.add(name, value)
            except Rejected as rejection:
                self.rejection = rejection

    def on_headers_complete(self) -> None:
        self.phase = Phase.BODY
        if self._kept_head is not None:
            self.head, self._kept_head = self._kept_head, None
            return
        self._check(self.head.complete, self._parser.get_method(), self._parser.get_http_version())
        if (self.head.length or 0) > self._limits.body_bytes:
            self.rejection = self.rejection or self._too_large()

    def on_body(self, part: bytes) -> None:
        size = len(part)
        self._overhead -= size
        if self.rejection is not None:
            return
        if self._body.tell() + size > self._limits.body_bytes:
            self.rejection = self._too_large()
        elif self._buffered.size + size > self._room(self._body.tell() + size):
            self.rejection = busy()
        else:
            self._buffered.size += size
            self._body.write(part)  # grows in place, and the application reads from it: a body is never copied

    def on_message_complete(self) -> None:
        if self.rejection is None and not self._parser.should_upgrade():
            keep_alive, size = self._parser.should_keep_alive(), self._body.tell()
            self.complete.append(ReadRequest(self.head, self._body, size, keep_alive, time.monotonic()))
            self._body = io.BytesIO()
            self.phase, self._overhead = Phase.IDLE, 0

    def _check(self, check: Callable[..., None], *arguments: object) -> None:
        try:
            if self.rejection is None:
                check(*arguments)
        except Rejected as rejection:
            self.rejection = rejection

    def _room(self, body_bytes: int) -> int:
        """Returns how many bytes all bodies may have for one of this size. Large ones leave an eighth to small ones."""
        most = self._limits.buffered_bytes
        return most if body_bytes <= _SMALL_BYTES else most - most // 8

    def _too_large(self) -> Rejected:
        return Rejected(413, "too_large", f"At most {self._limits.body_bytes} bytes.")
