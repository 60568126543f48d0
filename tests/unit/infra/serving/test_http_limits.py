"""The server stays within its limits and its deadlines, whatever clients do."""

import asyncio
import errno
import select
import socket
import threading
from collections.abc import AsyncGenerator, Iterable
from functools import partial
from typing import Any
from wsgiref.types import StartResponse

import pytest

from infra.local.ports import LOOPBACK
from infra.serving.limits import RequestLimits
from infra.serving.response import Response
from infra.serving.wsgi_bridge import ARRIVED_KEY, LATER_KEY, LENGTH_KEY, QUICK_BYTES, STREAM_KEY, Answer, WsgiBridge
from tests.support.http_server import QUICK, Client, Served, echo, request, serving


class Later:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        environ[LATER_KEY] = self.answers.append
        return echo(environ, start_response)

    async def asked(self, times: int) -> None:
        """Waits for this many requests."""
        while len(self.answers) < times:
            await asyncio.sleep(0.001)


class Held:
    """An application that holds its thread until it is released."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.release = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        self.began.release()
        self.release.wait()
        return echo(environ, start_response)


def limits(**changed: Any) -> RequestLimits:
    """Limits that no machine reaches, however busy, but for those that are changed."""
    return RequestLimits(**{"body_bytes": 1_000_000, "queue_seconds": 60, "head_seconds": 60, **changed})


async def connected(served: Served, many: int, sending: bytes = b"") -> list[Client]:
    """Opens connections that send these bytes and nothing more; returns when the server has accepted them."""
    return [(await served.connect()).send(sending) for _ in range(many)]


async def is_served(served: Served) -> bool:
    """Returns whether a new sender gets its answer."""
    client = await served.connect()
    answer = await client.ask("GET", QUICK).answer()
    client.close()
    return answer.status == 200


def test_all_bodies_together_stay_within_the_memory_limit() -> None:
    async def story() -> tuple[int, int, int]:
        app = Later()
        async with serving(limits(buffered_bytes=15), app) as served:
            first, second, third = await connected(served, 3)
            first.ask("POST", QUICK, body=b"x" * 10)
            await app.asked(1)
            rejected = await second.ask("POST", QUICK, body=b"x" * 6).answer()
            app.answers[0](None)
            held = await first.answer()
            third.ask("POST", QUICK, body=b"x" * 15)
            await app.asked(2)
            app.answers[1](None)
            return rejected.status, held.status, (await third.answer()).status

    assert (503, 200, 200) == asyncio.run(story())


def test_large_bodies_leave_room_for_small_ones() -> None:
    async def story() -> list[int]:
        app = Later()
        async with serving(limits(buffered_bytes=800_000), app) as served:
            first, second, small = await connected(served, 3)
            first.ask("POST", QUICK, body=b"x" * 10_000)
            await app.asked(1)
            rejected = await second.ask("POST", QUICK, body=b"x" * 700_000).answer()
            small.ask("POST", QUICK, body=b"x" * 10_000)
            await app.asked(2)
            for answer in app.answers:
                answer(None)
            return [rejected.status, (await first.answer()).status, (await small.answer()).status]

    assert [503, 200, 200] == asyncio.run(story())


def test_memory_of_bodies_is_free_again_when_their_senders_have_left() -> None:
    async def story() -> int:
        async with serving(limits(buffered_bytes=10), Later()) as served:
            (half, asking) = await connected(served, 2)
            half.send(request("POST", QUICK, "Content-Length: 5") + b"x" * 4)
            asking.ask("POST", QUICK, body=b"x" * 6)
            while served.worker.buffered.size < 10:
                await asyncio.sleep(0.001)
            half.close()
            asking.reset()
            while served.worker.buffered.size:
                await asyncio.sleep(0.001)
            return served.worker.buffered.size

    assert 0 == asyncio.run(story())


def test_a_body_that_does_not_arrive_in_time_is_cut_off() -> None:
    async def story() -> tuple[int, list[str]]:
        async with serving(limits(body_seconds=0.05)) as served:
            client = await served.connect()
            answer = await client.send(request("POST", "/", "Content-Length: 2") + b"x").answer()
            return answer.status, served.rejections

    assert (408, ["too_slow"]) == asyncio.run(story())


class Dying:
    """A connection that its client resets while it is given up: the shutdown of its socket raises."""

    deadline, address, aborted = 0.0, "192.0.2.1", False

    def give_up(self) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    def abort(self) -> None:
        self.aborted = True


def test_a_client_that_dies_at_its_deadline_does_not_end_the_deadlines_of_others() -> None:
    async def story() -> tuple[bool, int]:
        async with serving(limits(body_seconds=0.05)) as served:
            dying = Dying()
            served.worker.waiting.enter(dying)
            while not dying.aborted:
                await asyncio.sleep(0.01)
            served.worker.waiting.leave(dying)
            client = await served.connect()
            answer = await client.send(request("POST", "/", "Content-Length: 2") + b"x").answer()
            return dying.aborted, answer.status

    assert (True, 408) == asyncio.run(asyncio.wait_for(story(), 10))


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", request("GET", "/", "A: b")[:-2]])
def test_a_connection_without_a_complete_head_is_closed_in_time(beginning: bytes) -> None:
    async def story() -> bytes:
        async with serving(limits(head_seconds=0.05)) as served:
            return await (await served.connect()).send(beginning).rest()

    assert b"" == asyncio.run(story())


def test_silent_connections_of_one_address_do_not_keep_others_out() -> None:
    async def story() -> tuple[list[bool], int]:
        async with serving(limits(connections=50, waiting_per_address=20)) as served:
            silent = await connected(served, 60) + await connected(served, 60, b"POST / HTTP/1.1\r\n")
            answered = [await is_served(served) for _ in range(10)]
            closed = 0
            for connection in silent:
                connection.writer.close()
                closed += connection._reader.at_eof()
            return answered, closed

    answered, closed = asyncio.run(story())
    assert ([True] * 10, True) == (answered, closed >= 100)


def test_a_hundred_new_connections_do_not_wait_for_a_hundred_turns_of_a_busy_loop() -> None:
    """Each turn answers the requests of the other connections first. No deadline would see how long the last one
    waits: it counts from the time at which a request is read."""

    async def story() -> int:
        async with serving(limits()) as served:
            await asyncio.sleep(0)
            clients = [socket.create_connection((LOOPBACK, served.port)) for _ in range(100)]
            for client in clients:
                client.sendall(request("GET", QUICK))
            turns, unanswered = 0, set(clients)
            while unanswered and turns < 1000:
                await asyncio.sleep(0)
                turns += 1
                unanswered.difference_update(select.select(unanswered, (), (), 0)[0])
            for client in clients:
                client.close()
            return turns

    assert asyncio.run(story()) < 50


def test_slow_bodies_of_one_address_behind_a_proxy_do_not_keep_others_out() -> None:
    slow = request("POST", "/", "X-Forwarded-For: 192.0.2.1, 198.51.100.1", "Content-Length: 9") + b"x"
    other = request("POST", "/", "X-Forwarded-For: 192.0.2.2", "Content-Length: 9") + b"x"

    async def story() -> tuple[int, bytes, list[bool]]:
        async with serving(limits(connections=30, waiting_per_address=3, proxies=1)) as served:
            (patient,) = await connected(served, 1, other)
            attackers = await connected(served, 40, slow.replace(b"192.0.2.1", b"203.0.113.9"))
            for attacker in attackers[:37]:
                await attacker.rest()
            answered = [await is_served(served) for _ in range(5)]
            answer = await patient.send(b"x" * 8).answer()
            for client in (patient, *attackers):
                client.close()
            return answer.status, answer.content, answered

    assert (200, b"POST / xxxxxxxxx", [True] * 5) == asyncio.run(story())


def test_when_every_connection_is_answered_the_next_one_is_closed() -> None:
    async def story() -> tuple[bytes, list[str], int]:
        app = Later()
        async with serving(limits(connections=1), app) as served:
            first = (await served.connect()).ask("GET", QUICK)
            await app.asked(1)
            refused = await (await served.connect()).rest()
            app.answers[0](None)
            status = (await first.answer()).status
            first.close()
            return refused, served.rejections, status

    assert (b"", ["connections"], 200) == asyncio.run(story())


def test_a_client_that_does_not_read_gets_no_further_answers_and_is_closed() -> None:
    asked = 0

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        nonlocal asked
        asked += 1
        start_response("200 OK", [])
        return [b"x" * 5_000_000]

    async def story() -> None:
        async with serving(limits(head_seconds=0.3), app) as served:
            client = await served.connect()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(request("GET", QUICK) * 50)
            while not served.worker._connections or asked == 0:
                await asyncio.sleep(0.001)
            while served.worker._connections:
                await asyncio.sleep(0.001)

    asyncio.run(story())
    assert asked <= 3


def test_requests_beyond_the_queue_limit_are_rejected_at_once() -> None:
    async def story() -> list[int]:
        app = Held()
        async with serving(limits(threads=1, waiting=2, queue_seconds=60), app) as served:
            taken = [client.ask() for client in await connected(served, 3)]
            bridge = served.worker._handler
            assert isinstance(bridge, WsgiBridge)
            while bridge._in_threads < 3:
                await asyncio.sleep(0.001)
            rejected = (await (await served.connect()).ask().answer()).status
            app.release.set()
            return [rejected, *[(await client.answer()).status for client in taken]]

    assert [503, 200, 200, 200] == asyncio.run(story())


def test_a_request_that_waited_too_long_for_a_thread_is_rejected_without_being_run() -> None:
    async def story() -> tuple[int, str | None, list[str]]:
        async with serving(limits(queue_seconds=-1)) as served:
            answer = await (await served.connect()).ask().answer()
            return answer.status, answer.headers.get("retry-after"), served.rejections

    assert (503, "2", ["busy"]) == asyncio.run(story())


@pytest.mark.parametrize("path", [QUICK, "/"])
def test_every_request_is_answered_within_the_promised_time(path: str) -> None:
    async def story() -> tuple[int, str | None, int]:
        later, held = Later(), Held()
        app = later if path == QUICK else held
        async with serving(limits(answer_seconds=0.05), app) as served:
            client = await served.connect()
            answer = await client.ask("POST", path, body=b"x").answer()
            for send in later.answers:
                send(None)  # too late
            held.release.set()
            following = client.ask("GET", "/unknown")
            await asyncio.sleep(0)
            while app is later and len(later.answers) < 2:
                await asyncio.sleep(0.001)
            for send in later.answers[1:]:
                send(None)
            return answer.status, answer.headers.get("retry-after"), (await following.answer()).status

    assert (503, "2", 200) == asyncio.run(story())


def test_a_small_body_of_a_quick_path_needs_no_thread() -> None:
    threads: list[str] = []

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        threads.append(threading.current_thread().name)
        return echo(environ, start_response)

    async def story() -> None:
        async with serving(limits(), app) as served:
            client = await served.connect()
            for path, size in ((QUICK, QUICK_BYTES), (QUICK, QUICK_BYTES + 1), ("/", 1)):
                await client.ask("POST", path, body=b"x" * size).answer()
            client.close()

    asyncio.run(story())
    assert ["MainThread", "request", "request"] == [name.partition("_")[0] for name in threads]


def test_an_answer_may_come_later_and_from_any_thread() -> None:
    async def story() -> list[bytes]:
        app = Later()
        async with serving(limits(), app) as served:
            first, second = (client.ask("POST", QUICK, body=b"a") for client in await connected(served, 2))
            await app.asked(2)
            other = Response(503, [], b"not stored")
            threading.Thread(target=partial(app.answers[1], other)).start()
            threading.Thread(target=partial(app.answers[0], None)).start()
            return [(await first.answer()).content, (await second.answer()).content]

    assert [b"POST /quick a", b"not stored"] == sorted(asyncio.run(story()))


def test_the_environment_has_the_time_at_which_the_request_was_complete() -> None:
    arrived: list[float] = []

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        arrived.append(environ[ARRIVED_KEY])
        return echo(environ, start_response)

    async def story() -> tuple[float, float]:
        async with serving(limits(), app) as served:
            before = asyncio.get_running_loop().time()
            await (await served.connect()).ask().answer()
            return before, asyncio.get_running_loop().time()

    before, after = asyncio.run(story())
    assert before <= arrived[0] <= after


def test_a_stream_is_sent_part_by_part_and_ends_when_the_client_leaves() -> None:
    ended: list[str] = []

    async def parts() -> AsyncGenerator[bytes, None]:
        try:
            yield b"one"
            yield b"two"
            await asyncio.Event().wait()
        finally:
            ended.append("stream")

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        environ[STREAM_KEY] = parts
        return echo(environ, start_response)

    async def story() -> bytes:
        async with serving(limits(), app) as served:
            client = await served.connect()
            sent = await client.ask().part(b"two\r\n")
            client.close()
            while not ended:
                await asyncio.sleep(0.001)
            return sent

    assert b"6\r\nGET / \r\n3\r\none\r\n3\r\ntwo\r\n" == asyncio.run(story()).partition(b"\r\n\r\n")[2]


def test_a_stream_that_breaks_closes_the_connection_so_that_no_client_takes_it_for_whole() -> None:
    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"one"
        raise ValueError

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        environ[STREAM_KEY] = parts
        return echo(environ, start_response)

    async def story() -> bytes:
        async with serving(limits(), app) as served:
            client = await served.connect()
            client.ask()
            return await client.rest()

    assert asyncio.run(story()).endswith(b"one\r\n")


def test_a_stream_that_ends_leaves_the_connection_open() -> None:
    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"one"

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/stream":
            environ[STREAM_KEY] = parts
        return echo(environ, start_response)

    async def story() -> bytes:
        async with serving(limits(), app) as served:
            client = await served.connect()
            await client.ask("GET", "/stream").part(b"0\r\n\r\n")
            answer = await client.ask("GET", "/after").answer()
            client.close()
            return answer.content

    assert b"GET /after " == asyncio.run(story())


@pytest.mark.parametrize("status", ["200 OK", "206 Partial Content"])
def test_a_stream_of_known_length_says_it_and_leaves_the_connection_open(status: str) -> None:
    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"one"
        yield b"two"

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/after":
            return echo(environ, start_response)
        environ[STREAM_KEY], environ[LENGTH_KEY] = parts, 6
        start_response(status, [("Content-Length", "99")])
        return [b""]

    async def story() -> tuple[bytes, bytes]:
        async with serving(limits(), app) as served:
            client = await served.connect()
            streamed = await client.ask("GET", "/stream").part(b"two")
            after = await client.ask("GET", "/after").answer()
            client.close()
            return streamed, after.content

    streamed, after = asyncio.run(story())
    head, _, content = streamed.partition(b"\r\n\r\n")
    assert (True, False, False) == tuple(
        text in head for text in (b"Content-Length: 6\r\n", b"Content-Length: 99", b"chunked")
    )
    assert (b"onetwo", b"GET /after ") == (content, after)


def test_a_worker_that_stops_finishes_what_it_has_begun_and_closes_its_resources() -> None:
    async def story() -> tuple[bytes, bytes, str, int]:
        app, streams_ended = Later(), asyncio.Event()
        async with serving(limits(), app, end_streams=streams_ended.set) as served:
            idle, half, asking = await connected(served, 3)
            half.send(request("POST", QUICK, "Content-Length: 2") + b"a")
            asking.ask("GET", QUICK)
            await app.asked(1)
            served.worker.stop()
            nothing = await idle.rest()
            await streams_ended.wait()
            half.send(b"b")
            await app.asked(2)
            for answer in app.answers:
                answer(None)
            answered = await asking.answer()
            finished = await half.answer()
        return nothing, finished.content, answered.headers["connection"], served.closed

    assert (b"", b"POST /quick ab", "close", 1) == asyncio.run(story())


def test_an_application_that_raises_is_answered_with_500() -> None:
    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        raise ValueError

    async def story() -> list[int]:
        async with serving(limits(), app) as served:
            client = await served.connect()
            statuses = [(await client.ask("GET", path).answer()).status for path in (QUICK, "/")]
            client.close()
            return statuses

    assert [500, 500] == asyncio.run(story())


@pytest.mark.parametrize("path", ["/", QUICK])
def test_an_answer_that_cannot_be_written_closes_its_connection_alone(path: str) -> None:
    def euros(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["QUERY_STRING"]:
            return echo(environ, start_response)
        start_response("200 OK", [("X-Price", "1 \N{EURO SIGN}")])
        return [b"x"]

    async def story() -> tuple[bytes, int]:
        async with serving(limits(), euros) as served:
            rest = await (await served.connect()).ask(path=path).rest()
            return rest, (await (await served.connect()).ask(path=f"{path}?fine").answer()).status

    assert (b"", 200) == asyncio.run(story())
