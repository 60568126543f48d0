"""One client's HTTP/1.1 connection. It reads requests within limits, hands over each complete one, and writes the
answers in order.

The parser is llhttp, the one of Node.js, in its strict mode: line ends must be CR LF, and a length that is announced
twice is an error.
"""

import asyncio
import io
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from enum import Enum
from typing import Protocol, cast

import structlog
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from infra.serving.limits import RequestLimits
from infra.serving.rejection import Rejected, busy, malformed
from infra.serving.request_head import MAX_HEAD_BYTES, RequestHead
from infra.serving.response import Response, chunk, response_bytes, stream_head
from infra.serving.waiting import Waiting, address_of, forwarded_address

log = structlog.get_logger()

Stream = Callable[[], AsyncGenerator[bytes, None]]
"""Starts a stream whose parts are sent as they are generated, until it ends. Uses no thread."""

_LINGER_SECONDS = 2.0
"""How long the rest of a rejected request is read and dropped: a sender does not read the answer while it sends."""
_OVERHEAD = 8
"""How many bytes more than its content a chunked body may have per byte: a chunk of one byte has five."""
_PART_BYTES = 4 * 1024
_BODY_PART_BYTES = 64 * 1024
_READER = "the client reads its answers"
_LEAST_READ = 64 * 1024
"""How many bytes of its answers a client must read while it is waited for."""


class Request:
    """A complete request. `arrived`: the time (`time.monotonic`) at which it was complete."""

    __slots__ = ("arrived", "body", "client", "connection", "head", "keep_alive", "size")

    def __init__(
        self, connection: "HttpConnection", head: RequestHead, body: io.BytesIO, client: str, keep_alive: bool
    ) -> None:
        self.connection = connection
        self.head = head
        self.body = body
        self.client = client
        self.size = body.tell()
        self.keep_alive = keep_alive
        self.arrived = time.monotonic()


class Server(Protocol):
    """What connections share."""

    limits: RequestLimits
    waiting: Waiting
    stopping: bool
    buffered: int
    """Size of all bodies that were received and not yet answered, in bytes."""

    def opened(self, connection: "HttpConnection") -> None: ...
    def closed(self, connection: "HttpConnection") -> None: ...
    def rejected(self, reason: str) -> None: ...
    def handle(self, request: Request) -> None:
        """Answers the request, now or later, by `HttpConnection.respond` or `stream`."""


class _Phase(Enum):
    """What of the next request has arrived."""

    IDLE = "nothing"
    HEAD = "a part of the head"
    BODY = "the head and perhaps a part of the body"
    DROPPING = "it was rejected, and what still arrives is dropped"
    CLOSED = "the connection is closed"


class HttpConnection(asyncio.Protocol):
    """See the module. `deadline` and `address`: see `infra.serving.waiting`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits = server.limits
        self._transport: asyncio.Transport
        self._parser = HttpRequestParser(self)
        self._phase = _Phase.IDLE
        self._client = ""
        self._head = RequestHead()
        self._kept_head: RequestHead | None = None
        self._body = io.BytesIO()
        self._overhead = 0
        """Bytes since the request began that were not content of its body."""
        self._complete: deque[Request] = deque()
        """Complete requests that wait for the answer to an earlier one."""
        self._current: Request | None = None
        """The request that is being answered."""
        self._ahead = b""
        """What arrived meanwhile."""
        self._ended = False
        self._rejection: Rejected | None = None
        self._advancing = False
        self._writable = asyncio.Event()
        self._unread = 0
        self._stream: asyncio.Task[None] | None = None
        self._waits_for: object = None
        self.deadline = 0.0
        self.address = ""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins to wait for the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._writable.set()
        self._client = (transport.get_extra_info("peername") or ("",))[0]
        self._server.opened(self)
        self._advance()

    def connection_lost(self, _: Exception | None) -> None:
        """Forgets what is in progress; its answer has nowhere to go."""
        self._stop_waiting()
        self._phase = _Phase.CLOSED
        self._forget_body()
        for request in self._complete:
            self._release(request)
        self._complete.clear()
        if self._current is not None:
            self._release(self._current)
            self._current = None
        if self._stream is not None:
            self._stream.cancel()
        self._server.closed(self)

    def data_received(self, data: bytes) -> None:
        """Parses what arrived, unless an answer is due first: then nothing more is read until it is sent."""
        if self._phase is _Phase.DROPPING:
            self._overhead += len(data)
            if self._overhead > self._limits.dropped_bytes:
                self.abort()
        else:
            self._ahead += data
            self._advance()
            if self._ahead:
                self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Rejects a body that is cut off. A client that has only stopped sending still gets its answers, except for
        streams."""
        self._ended = True
        self._advance()
        return self._is_answering() and self._stream is None

    def pause_writing(self) -> None:
        """Makes later answers wait until the client has read earlier ones."""
        self._writable.clear()
        self._unread = self._transport.get_write_buffer_size()
        self._wait_for(_READER, self._limits.head_seconds)

    def resume_writing(self) -> None:
        """Goes on with the next answer."""
        self._writable.set()
        self._stop_waiting()
        self._advance()

    # What the parser calls. An error in the parser's callbacks would be lost, so a rejection is kept for later.

    def on_message_begin(self) -> None:
        self._phase = _Phase.HEAD
        self._head = RequestHead()

    def on_url(self, part: bytes) -> None:
        self._check(self._head.add_target, part)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is _Phase.HEAD:  # a trailer is ignored
            self._check(self._head.add, name, value)

    def on_headers_complete(self) -> None:
        self._phase = _Phase.BODY
        if self._kept_head is not None:
            self._head, self._kept_head = self._kept_head, None
            return
        self._check(self._head.complete, self._parser.get_method(), self._parser.get_http_version())
        if (self._head.length or 0) > self._limits.body_bytes:
            self._rejection = self._rejection or self._too_large()

    def on_body(self, part: bytes) -> None:
        size = len(part)
        self._overhead -= size
        if self._rejection is not None:
            return
        if self._body.tell() + size > self._limits.body_bytes:
            self._rejection = self._too_large()
        elif self._server.buffered + size > self._limits.buffered_bytes:
            self._rejection = busy()
        else:
            self._server.buffered += size
            self._body.write(part)  # grows in place, and the application reads from it: a body is never copied

    def on_message_complete(self) -> None:
        if self._rejection is None and not self._parser.should_upgrade():
            keep_alive = self._parser.should_keep_alive()
            self._complete.append(Request(self, self._head, self._body, self._client, keep_alive))
            self._body = io.BytesIO()
            self._phase, self._overhead = _Phase.IDLE, 0

    # What the server calls.

    def respond(self, request: Request, response: Response) -> None:
        """Sends the answer, unless the request has been answered or the client has left."""
        if self._current is request:
            close = self._server.stopping or not request.keep_alive
            without_content = request.head.method == "HEAD"
            self._transport.write(response_bytes(response, without_content=without_content, close=close))
            self._end_answer(close)

    def reject(self, request: Request, rejection: Rejected) -> None:
        """Sends a rejection as the answer, unless the request has been answered or the client has left."""
        if self._current is request:
            self._server.rejected(rejection.reason)
            self.respond(request, rejection.response())

    def stream(self, request: Request, response: Response, stream: Stream) -> None:
        """Sends the answer and then the parts of the stream, as fast as the client reads them."""
        if self._current is request:
            self._stream = asyncio.get_running_loop().create_task(self._send_stream(request, response, stream))

    def stop(self) -> None:
        """Closes the connection if no request is in progress; otherwise its answer will close it."""
        if self._phase in (_Phase.IDLE, _Phase.DROPPING) and not self._is_answering():
            self._close()

    def give_up(self) -> None:
        """Ends a wait whose deadline has passed: a body that does not arrive is answered with 408. A client that still
        reads its answer gets more time."""
        unread = self._transport.get_write_buffer_size()
        if self._waits_for is _Phase.BODY:
            self._rejection = Rejected(408, "too_slow", f"The body took over {self._limits.body_seconds:.0f} s.")
            self._advance()
        elif self._waits_for is _READER and unread <= self._unread - _LEAST_READ:
            self._unread = unread
            self._stop_waiting()
            self._wait_for(_READER, self._limits.head_seconds)
        else:
            self.abort()

    def abort(self) -> None:
        """Closes the connection at once."""
        self._stop_waiting()
        self._phase = _Phase.CLOSED
        self._transport.abort()

    def _is_answering(self) -> bool:
        return self._current is not None or not self._writable.is_set()

    # Reading.

    def _parse(self, data: bytes) -> None:
        if self._phase is _Phase.IDLE and data.startswith(b"\n"):  # which the parser skips
            self._rejection = malformed("Lines end with CR LF.")
            return
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            if self._rejection is None:
                self._ignore_upgrade(data[upgrade.args[0] :])
        except HttpParserError as error:
            self._rejection = self._rejection or malformed(f"Not a valid request: {error}.")
        if self._overhead > MAX_HEAD_BYTES + _OVERHEAD * self._body.tell() and self._rejection is None:
            self._rejection = Rejected(431, "too_large", "The head of the request is too large.")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Parses the rest of a request that asks for another protocol, e.g. HTTP/2, as if it did not ask."""
        self._parser = HttpRequestParser(self)
        self._kept_head = self._head
        self._parse(self._head.without_upgrade() + rest)

    def _check(self, check: Callable[..., None], *arguments: object) -> None:
        try:
            if self._rejection is None:
                check(*arguments)
        except Rejected as rejection:
            self._rejection = rejection

    def _too_large(self) -> Rejected:
        return Rejected(413, "too_large", f"At most {self._limits.body_bytes} bytes.")

    # One request after the other.

    def _advance(self) -> None:
        """Hands over the next request when the one before it is answered, or waits for it."""
        if self._advancing:
            return
        self._advancing = True
        while not self._is_answering() and self._phase not in (_Phase.DROPPING, _Phase.CLOSED):
            if self._complete:
                self._stop_waiting()
                self._current = self._complete.popleft()
                self._server.handle(self._current)
                if self._complete or self._ahead:  # others take their turn before this client's next request
                    asyncio.get_running_loop().call_soon(self._advance)
                    break
            elif self._rejection is not None:
                self._drop_rest(self._rejection)
            elif self._ahead:
                self._parse(self._next_part())
            elif self._ended:
                self._end_early()
            else:
                self._wait_for_rest()
                break
        self._advancing = False

    def _next_part(self) -> bytes:
        """Returns what the parser gets next of the bytes that have arrived. It is short where it could hold many
        requests, which would all be in memory at a time."""
        size = _PART_BYTES
        if self._phase is _Phase.BODY:
            size = _BODY_PART_BYTES if self._head.chunked else max(size, (self._head.length or 0) - self._body.tell())
        part, self._ahead = self._ahead[:size], self._ahead[size:]
        if not self._ahead:
            self._transport.resume_reading()
        return part

    def _end_early(self) -> None:
        if self._phase is _Phase.BODY:
            self._rejection = Rejected(400, "ended_early", "The body ended before it was complete.")
        else:
            self._close()

    def _end_answer(self, close: bool) -> None:
        assert self._current is not None
        self._release(self._current)
        self._current = None
        if close:
            self._close()
        else:
            self._advance()

    def _drop_rest(self, rejection: Rejected) -> None:
        """Sends a rejection. What the client still sends is dropped for a while: closing at once could reset the
        connection before the client has read the answer."""
        seconds = max(_LINGER_SECONDS, self.deadline - time.monotonic() if self._phase is _Phase.BODY else 0.0)
        self._server.rejected(rejection.reason)
        without_content = self._head.method == "HEAD"
        self._transport.write(response_bytes(rejection.response(), without_content=without_content, close=True))
        self._forget_body()
        self._phase, self._overhead = _Phase.DROPPING, 0
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._stop_waiting()
        self._wait_for(_Phase.DROPPING, seconds)

    def _close(self) -> None:
        self._stop_waiting()
        if self._transport.get_write_buffer_size():
            self._wait_for(_READER, self._limits.head_seconds)
        self._phase = _Phase.CLOSED
        self._transport.close()

    def _forget_body(self) -> None:
        self._server.buffered -= self._body.getbuffer().nbytes
        self._body = io.BytesIO()

    def _release(self, request: Request) -> None:
        self._server.buffered -= request.size

    # Waiting for the client.

    def _wait_for_rest(self) -> None:
        limits = self._limits
        if self._phase is _Phase.BODY:
            if self._head.expects_continue():
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._wait_for(_Phase.BODY, limits.body_seconds)
        else:
            self._wait_for(self._phase, limits.head_seconds)

    def _wait_for(self, what: object, seconds: float) -> None:
        """Begins to wait, unless it waits for the same already."""
        if self._waits_for is what or self._phase is _Phase.CLOSED:
            return
        self._stop_waiting()
        self._waits_for = what
        self.deadline = time.monotonic() + seconds
        self.address = self._counted_address()
        oldest = self._server.waiting.enter(self)
        if oldest is not None:
            cast("HttpConnection", oldest).abort()

    def _stop_waiting(self) -> None:
        if self._waits_for is not None:
            self._server.waiting.leave(self)
            self._waits_for = None

    def _counted_address(self) -> str:
        if not self._limits.proxies:
            return address_of(self._client)
        forwarded_for = self._head.environ.get("HTTP_X_FORWARDED_FOR", "") if self._phase is _Phase.BODY else ""
        return forwarded_address(forwarded_for, self._limits.proxies) or ""

    # Streams.

    async def _send_stream(self, request: Request, response: Response, stream: Stream) -> None:
        chunked = request.head.is_http_11
        self._transport.write(stream_head(response, chunked=chunked))
        try:
            async with aclosing(stream()) as parts:
                await self._send_part(response.content, chunked)
                async for part in parts:
                    await self._send_part(part, chunked)
        except Exception as error:  # whatever it is: the client must not take what it has for the whole
            log.error("stream.broken", error=type(error).__name__)
            self.abort()
            return
        if chunked:
            self._transport.write(chunk(b""))
        self._stream = None
        if self._current is request:
            self._end_answer(close=not chunked or self._server.stopping or not request.keep_alive)

    async def _send_part(self, part: bytes, chunked: bool) -> None:
        if part:
            await self._writable.wait()
            self._transport.write(chunk(part) if chunked else part)
