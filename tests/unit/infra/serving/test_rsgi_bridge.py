"""The RSGI bridge stays within its limits, whatever a client sends."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse

import pytest

from infra.serving.rsgi_bridge import ARRIVED_KEY, RequestLimits, RsgiBridge


class Scope:
    """The head of a request, in granian's form."""

    scheme, query_string, path, client = "http", "", "/", "[::1]:5000"

    def __init__(self, method: str = "POST", **headers: str) -> None:
        self.method = method
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Protocol:
    """The body of a request, and the responses. A part that is an event is a pause until the event is set."""

    def __init__(self, *parts: bytes | asyncio.Event) -> None:
        self._parts = parts
        self.answers: list[tuple[int, bytes]] = []

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                await part.wait()
        yield b""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answers.append((status, body))


def echo(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """An application that returns the method and the body."""
    start_response("200 OK", [])
    return [environ["REQUEST_METHOD"].encode(), b" ", environ["wsgi.input"].read()]


class Served:
    """A bridge, and the rejections that it reported."""

    def __init__(self, limits: RequestLimits, app: Callable[..., Iterable[bytes]] = echo) -> None:
        self.rejections: list[str] = []
        self.closed = False
        self._bridge = RsgiBridge(app, limits, self.rejections.append, self._close)

    async def request(self, scope: Scope, protocol: Protocol) -> list[tuple[int, bytes]]:
        await self._bridge.__rsgi__(scope, protocol)  # type: ignore[arg-type]
        return protocol.answers

    def end(self) -> None:
        self._bridge.__rsgi_del__(asyncio.new_event_loop())

    def _close(self) -> None:
        self.closed = True


def test_the_application_gets_the_whole_body() -> None:
    served = Served(RequestLimits(body_bytes=10))

    answers = asyncio.run(served.request(Scope(content_length="6"), Protocol(b"abc", b"def")))

    assert [(200, b"POST abcdef")] == answers


def test_a_request_without_a_body_does_not_wait_for_one() -> None:
    served = Served(RequestLimits(body_bytes=10))

    assert [(200, b"GET ")] == asyncio.run(served.request(Scope("GET"), Protocol(asyncio.Event())))


@pytest.mark.parametrize(
    ("scope", "body", "status", "reason"),
    [
        (Scope(content_length="11"), b"x" * 11, 413, "too_large"),
        (Scope(transfer_encoding="chunked"), b"x" * 11, 413, "too_large"),
        (Scope(content_length="10"), b"x" * 9, 400, "ended_early"),
    ],
)
def test_a_body_of_a_wrong_size_never_reaches_the_application(
    scope: Scope, body: bytes, status: int, reason: str
) -> None:
    served = Served(RequestLimits(body_bytes=10))

    ((answered, _),) = asyncio.run(served.request(scope, Protocol(body)))

    assert (status, [reason]) == (answered, served.rejections)


def test_a_body_that_does_not_arrive_in_time_is_cut_off() -> None:
    served = Served(RequestLimits(body_bytes=10, body_seconds=0.05))

    ((answered, _),) = asyncio.run(served.request(Scope(content_length="2"), Protocol(b"x", asyncio.Event())))

    assert (408, ["too_slow"]) == (answered, served.rejections)


def test_all_bodies_together_stay_within_the_memory_limit() -> None:
    async def story() -> list[int]:
        served = Served(RequestLimits(body_bytes=10, buffered_bytes=15))
        rest = asyncio.Event()
        chunked = Scope(transfer_encoding="chunked")
        holding = asyncio.create_task(served.request(chunked, Protocol(b"x" * 10, rest)))
        await asyncio.sleep(0)
        rejected = await served.request(chunked, Protocol(b"x" * 6))
        fits = await served.request(chunked, Protocol(b"x" * 5))
        rest.set()
        held = await holding
        again = await served.request(chunked, Protocol(b"x" * 10))
        return [status for ((status, _),) in (rejected, fits, held, again)]

    assert [503, 200, 200, 200] == asyncio.run(story())


def test_requests_beyond_the_queue_limit_are_rejected_at_once() -> None:
    release = threading.Event()

    def slow(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        release.wait()
        return echo(environ, start_response)

    async def story() -> list[int]:
        served = Served(RequestLimits(body_bytes=10, threads=1, waiting=2, queue_seconds=60), slow)
        taken = [asyncio.create_task(served.request(Scope("GET"), Protocol())) for _ in range(3)]
        await asyncio.sleep(0)
        rejected = await served.request(Scope("GET"), Protocol())
        release.set()
        answered = [await each for each in taken]
        later = [await served.request(Scope("GET"), Protocol()) for _ in range(2)]
        return [status for ((status, _),) in (rejected, *answered, *later)]

    assert [503, 200, 200, 200, 200, 200] == asyncio.run(story())


def test_a_request_that_waited_too_long_for_a_thread_is_rejected() -> None:
    served = Served(RequestLimits(body_bytes=10, queue_seconds=-1))

    ((answered, _),) = asyncio.run(served.request(Scope("GET"), Protocol()))

    assert (503, ["busy"]) == (answered, served.rejections)


def test_the_environment_has_the_time_at_which_the_request_was_complete() -> None:
    arrived: list[float] = []

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        arrived.append(environ[ARRIVED_KEY])
        return echo(environ, start_response)

    before = time.monotonic()
    asyncio.run(Served(RequestLimits(body_bytes=10), app).request(Scope("GET"), Protocol()))

    assert before <= arrived[0] <= time.monotonic()


def test_the_applications_resources_are_closed_after_the_last_request() -> None:
    served = Served(RequestLimits(body_bytes=10))

    served.end()

    assert served.closed
