"""One client's HTTP/1.1 connection. It hands over complete requests and writes the answers in order."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Protocol, cast

import structlog

from infra.serving.limits import RequestLimits
from infra.serving.rejection import Rejected
from infra.serving.request_reader import Buffered, Phase, ReadRequest, RequestReader
from infra.serving.response import Response, chunk, response_bytes, stream_head
from infra.serving.waiting import Waiting, address_of, forwarded_address

log = structlog.get_logger()

Stream = Callable[[], AsyncGenerator[bytes, None]]
"""Starts a stream whose parts are sent as they are generated, until it ends. Uses no thread."""

_LINGER_SECONDS = 2.0
"""How long the rest of a rejected request is read and dropped: a sender does not read the answer while it sends."""
_LEAST_READ = 64 * 1024
"""How many bytes of its answers a client must read while it is waited for."""
_READER = "the client reads its answers"
_DROPPED = "the rest of a rejected request"


class Request:
    """A complete request, with the connection that takes the answer. `arrived`: the time (`time.monotonic`) at which it
    was complete; `client`: the host at the other end."""

    __slots__ = ("arrived", "body", "client", "connection", "head", "keep_alive", "size")

    def __init__(self, connection: "HttpConnection", client: str, read: ReadRequest) -> None:
        self.connection = connection
        self.client = client
        self.head = read.head
        self.body = read.body
        self.size = read.size
        self.keep_alive = read.keep_alive
        self.arrived = read.arrived


class Server(Protocol):
    """What connections share."""

    limits: RequestLimits
    waiting: Waiting
    stopping: bool
    buffered: Buffered

    def opened(self, connection: "HttpConnection") -> None: ...
    def closed(self, connection: "HttpConnection") -> None: ...
    def rejected(self, reason: str) -> None: ...
    def handle(self, request: Request) -> None:
        """Answers the request, now or later, by `HttpConnection.respond` or `stream`."""


class HttpConnection(asyncio.Protocol):
    """See the module. `deadline` and `address`: see `infra.serving.waiting`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits = server.limits
        self._transport: asyncio.Transport
        self._reader = RequestReader(server.limits, server.buffered)
        self._client = ""
        self._current: Request | None = None
        """The request that is being answered."""
        self._ahead = b""
        """What arrived meanwhile."""
        self._ended = self._dropping = self._closed = False
        self._dropped = 0
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
        self._closed = True
        self._reader.forget_body()
        for request in (*self._reader.complete, *([self._current] if self._current else ())):
            self._server.buffered.size -= request.size
        self._reader.complete.clear()
        self._current = None
        if self._stream is not None:
            self._stream.cancel()
        self._server.closed(self)

    def data_received(self, data: bytes) -> None:
        """Reads what arrived, unless an answer is due first: then nothing more is taken until it is sent."""
        if self._dropping:
            self._dropped += len(data)
            if self._dropped > self._limits.dropped_bytes:
                self.abort()
            return
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

    def stream(
        self,
        request: Request,
        response: Response,
        stream: Stream,
        length: int | None = None,
        otherwise: Response | None = None,
    ) -> None:
        """Sends the answer and then the parts of the stream, as fast as the client reads them. `length`: of all its
        parts together; None: it is not known. `otherwise`: the answer if the stream fails before its first part, for
        which the head then waits."""
        if self._current is request:
            sending = self._send_stream(request, response, stream, length, otherwise)
            self._stream = asyncio.get_running_loop().create_task(sending)

    def stop(self) -> None:
        """Closes the connection if no request is in progress; otherwise its answer will close it."""
        if self._dropping or (self._reader.phase is Phase.IDLE and not self._is_answering()):
            self._close()

    def give_up(self) -> None:
        """Ends a wait whose deadline has passed: a body that does not arrive is answered with 408. A client that still
        reads its answer gets more time."""
        unread = self._transport.get_write_buffer_size()
        if self._waits_for is Phase.BODY:
            detail = f"The body took over {self._limits.body_seconds:.0f} s."
            self._reader.rejection = Rejected(408, "too_slow", detail)
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
        self._closed = True
        self._transport.abort()

    def _is_answering(self) -> bool:
        return self._current is not None or not self._writable.is_set()

    # One request after the other.

    def _advance(self) -> None:
        """Hands over the next request when the one before it is answered, or waits for it."""
        if self._advancing:
            return
        self._advancing = True
        reader = self._reader
        while not (self._is_answering() or self._dropping or self._closed):
            if reader.complete:
                self._stop_waiting()
                self._current = Request(self, self._client, reader.complete.popleft())
                self._server.handle(self._current)
                if reader.complete or self._ahead:  # others take their turn before this client's next request
                    asyncio.get_running_loop().call_soon(self._advance)
                    break
            elif reader.rejection is not None:
                self._drop_rest(reader.rejection)
            elif self._ahead:
                size = reader.part_bytes()
                part, self._ahead = self._ahead[:size], self._ahead[size:]
                if not self._ahead:
                    self._transport.resume_reading()
                reader.feed(part)
            elif self._ended and reader.phase is Phase.BODY:
                reader.end()
            elif self._ended:
                self._close()
            else:
                self._wait_for_rest()
                break
        self._advancing = False

    def _end_answer(self, close: bool) -> None:
        assert self._current is not None
        self._server.buffered.size -= self._current.size
        self._current = None
        if close:
            self._close()
        else:
            self._advance()

    def _drop_rest(self, rejection: Rejected) -> None:
        """Sends a rejection. What the client still sends is dropped for a while: closing at once could reset the
        connection before the client has read the answer."""
        seconds = max(_LINGER_SECONDS, self.deadline - time.monotonic() if self._waits_for is Phase.BODY else 0.0)
        self._server.rejected(rejection.reason)
        without_content = self._reader.head.method == "HEAD"
        self._transport.write(response_bytes(rejection.response(), without_content=without_content, close=True))
        self._reader.forget_body()
        self._ahead, self._dropping = b"", True
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            with suppress(OSError):  # the client has reset the connection since the answer was written
                self._transport.write_eof()
        self._stop_waiting()
        self._wait_for(_DROPPED, seconds)

    def _close(self) -> None:
        self._stop_waiting()
        if self._transport.get_write_buffer_size():
            self._wait_for(_READER, self._limits.head_seconds)
        self._closed = True
        self._transport.close()

    # Waiting for the client.

    def _wait_for_rest(self) -> None:
        limits, reader = self._limits, self._reader
        if reader.phase is Phase.BODY:
            if reader.head.expects_continue():
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._wait_for(Phase.BODY, limits.body_seconds)
        else:
            self._wait_for(reader.phase, limits.head_seconds)

    def _wait_for(self, what: object, seconds: float) -> None:
        """Begins to wait, unless it waits for the same already."""
        if self._waits_for is what or self._closed:
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
        head = self._reader.head.environ if self._reader.phase is Phase.BODY else {}
        forwarded_for = head.get("HTTP_X_FORWARDED_FOR", "")
        return forwarded_address(forwarded_for, self._limits.proxies) or ""

    # Streams.

    async def _send_stream(
        self, request: Request, response: Response, stream: Stream, length: int | None, otherwise: Response | None
    ) -> None:
        stays_open = request.head.is_http_11
        chunked = stays_open and length is None
        begun = False
        try:
            async with aclosing(stream()) as parts:
                first = b"" if otherwise is None else await anext(parts, b"")
                begun = True
                self._transport.write(stream_head(response, chunked=stays_open, length=length))
                await self._send_part(response.content, chunked)
                await self._send_part(first, chunked)
                async for part in parts:
                    await self._send_part(part, chunked)
        except Exception as error:  # whatever it is: the client must not take what it has for the whole
            if otherwise is not None and not begun:
                log.warning("stream.not_begun", error=type(error).__name__)
                self._stream = None
                self.respond(request, otherwise)
                return
            log.error("stream.broken", error=type(error).__name__)
            self.abort()
            return
        if chunked:
            self._transport.write(chunk(b""))
        self._stream = None
        if self._current is request:
            self._end_answer(close=not stays_open or self._server.stopping or not request.keep_alive)

    async def _send_part(self, part: bytes, chunked: bool) -> None:
        if part:
            await self._writable.wait()
            self._transport.write(chunk(part) if chunked else part)
