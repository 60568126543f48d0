"""Which requests reach the application, and what it sees of them."""

import asyncio
from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from wsgiref.types import StartResponse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.serving.limits import RequestLimits
from tests.support.http_server import QUICK, Answer, request, serving

LIMITS = RequestLimits(body_bytes=100, queue_seconds=60)
CHUNKED = "Transfer-Encoding: chunked"


def ask(data: bytes, limits: RequestLimits = LIMITS) -> tuple[Answer, list[str]]:
    """Sends bytes; returns the first answer and the reasons of rejections."""

    async def story() -> tuple[Answer, list[str]]:
        async with serving(limits) as served:
            client = await served.connect()
            answer = await client.send(data).answer()
            client.close()
            return answer, served.rejections

    return asyncio.run(story())


def environ_for(data: bytes) -> dict[str, Any]:
    """Returns the WSGI environment that the application gets for these bytes."""
    seen: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return []

    async def story() -> None:
        async with serving(LIMITS, app) as served:
            client = await served.connect()
            await client.send(data).answer()
            client.close()

    asyncio.run(story())
    return seen[0]


@pytest.mark.parametrize(
    "data",
    [
        request("POST", "/a", body=b"abc"),
        request("POST", "/a", CHUNKED) + b"1\r\na\r\n2;extension=x\r\nbc\r\n0\r\nTrailer: x\r\n\r\n",
        request("POST", "http://other/a", body=b"abc"),
        request("POST", "/a", "Connection: Upgrade", "Upgrade: h2c", body=b"abc"),
        request("POST", "/a", "Connection: Upgrade", "Upgrade: websocket", CHUNKED) + b"3\r\nabc\r\n0\r\n\r\n",
        b"\r\n" + request("POST", "/a", body=b"abc"),
    ],
    ids=["length", "chunked", "absolute", "h2c", "websocket", "an empty line before"],
)
def test_the_application_gets_the_whole_body(data: bytes) -> None:
    answer, rejections = ask(data)

    assert (200, b"POST /a abc", []) == (answer.status, answer.content, rejections)


@given(st.lists(st.integers(0, 200), max_size=8))
def test_requests_may_arrive_in_any_pieces(cuts: list[int]) -> None:
    whole = request("POST", QUICK, body=b"abc") + request("POST", "/b", CHUNKED) + b"2\r\nde\r\n0\r\n\r\n" + request()
    edges = [0, *sorted(cuts), len(whole)]

    async def story() -> list[bytes]:
        async with serving(LIMITS) as served:
            client = await served.connect()
            for begin, end in pairwise(edges):
                client.send(whole[begin:end])
                await asyncio.sleep(0)
            answers = [(await client.answer()).content for _ in range(3)]
            client.close()
            return answers

    assert [b"POST /quick abc", b"POST /b de", b"GET / "] == asyncio.run(story())


def test_a_header_name_with_an_underscore_is_dropped() -> None:
    environ = environ_for(
        request("GET", "/", "X-Forwarded-For: 192.0.2.1", "X_Forwarded_For: 198.51.100.1", "X_Hub-Signature-256: x")
    )

    assert ("192.0.2.1", False) == (environ["HTTP_X_FORWARDED_FOR"], "HTTP_X_HUB_SIGNATURE_256" in environ)


def test_repeated_headers_become_one() -> None:
    environ = environ_for(
        request("GET", "/", "Cookie: a=1", "Cookie: b=2", "X-Forwarded-For: a", "x-forwarded-for: b", "Accept: c")
    )

    assert ["a=1; b=2", "a,b", "c"] == [environ[f"HTTP_{name}"] for name in ("COOKIE", "X_FORWARDED_FOR", "ACCEPT")]


@pytest.mark.parametrize(
    "line",
    [
        "Host: y",
        "Content-Length: 3",
        "Content-Type: text/plain",
        "Authorization: a",
        "Origin: a",
        "X-Hub-Signature-256: a",
        "X-Witiop-Signature-256: a",
    ],
)
def test_a_header_that_may_occur_once_is_not_repeated(line: str) -> None:
    answer, rejections = ask(request("POST", "/", line, line.lower(), "Content-Length: 3") + b"abc")

    assert (400, ["malformed"]) == (answer.status, rejections)


def test_the_path_and_the_query_are_what_wsgi_requires() -> None:
    environ = environ_for(request("GET", "/a%20%C3%A9/%2F?b=%20&c=d?e"))

    assert ("/a \xc3\xa9//", "b=%20&c=d?e") == (environ["PATH_INFO"], environ["QUERY_STRING"])


@pytest.mark.parametrize(
    "data",
    [
        request().replace(b"\r\n", b"\n"),
        b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\n",
        b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n",
        b"\n" + request(),
        request("POST", "/", CHUNKED) + b"3\nabc\n0\n\n",
        request("POST", "/", CHUNKED) + b"3\r\nabc\r\nzz\r\n",
        request("POST", "/", CHUNKED) + b"3\r\nabcd\r\n0\r\n\r\n",
        request("POST", "/", CHUNKED) + b"fffffffffffffffff\r\nabc",
        request("POST", "/", CHUNKED, "Content-Length: 3") + b"3\r\nabc\r\n0\r\n\r\n",
        request("POST", "/", "Content-Length: 3", CHUNKED) + b"abc",
        request("POST", "/", CHUNKED, CHUNKED) + b"3\r\nabc\r\n0\r\n\r\n",
        request("POST", "/", "Transfer-Encoding: gzip, chunked") + b"3\r\nabc\r\n0\r\n\r\n",
        request("POST", "/", "Transfer-Encoding: gzip", CHUNKED) + b"3\r\nabc\r\n0\r\n\r\n",
        request("POST", "/", CHUNKED).replace(b"1.1", b"1.0") + b"3\r\nabc\r\n0\r\n\r\n",
        request("POST", "/", "Content-Length: 3, 3") + b"abc",
        request("POST", "/", "Content-Length: +3") + b"abc",
        request("POST", "/", "Content-Length: 99999999999999999999999") + b"abc",
        request("GET", "/", "A: b", " c"),
        request("GET", "/", "A : b"),
        request("GET", "/", "A: b\0c"),
        request("GET", "/", "\xe9: b"),
        request("GET", "/\xff"),
        request("GET", "*"),
        request("CONNECT", "x:80"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"X" * 5000 + b" / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_not_a_valid_request_is_rejected(data: bytes) -> None:
    answer, rejections = ask(data)

    assert (400, "close", ["malformed"]) == (answer.status, answer.headers["connection"], rejections)


@pytest.mark.parametrize("version", [b"HTTP/0.9", b"HTTP/2.0"])
def test_another_version_is_rejected(version: bytes) -> None:
    assert 505 == ask(request().replace(b"HTTP/1.1", version))[0].status


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (request("POST", "/", body=b"x" * 101), 413, "too_large"),
        (request("POST", "/", CHUNKED) + b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n", 413, "too_large"),
        (request("GET", "/" + "a" * 20_000), 414, "too_large"),
        (request("GET", "/", *[f"A{n}: b" for n in range(200)]), 431, "too_large"),
        (request("GET", "/", f"A: {'b' * 20_000}"), 431, "too_large"),
        (request("GET", "/", f"{'a' * 300}: b"), 431, "too_large"),
        (b"GET / HTTP/1.1\r\n" + b"a" * 100_000, 431, "too_large"),
        (request("POST", "/", CHUNKED) + b"1;" + b"e" * 100_000, 431, "too_large"),
        (request("POST", "/", CHUNKED) + b"0\r\nA: " + b"t" * 100_000, 431, "too_large"),
    ],
    ids=[
        "length",
        "chunks",
        "path",
        "headers",
        "value",
        "name",
        "endless name",
        "endless extension",
        "endless trailer",
    ],
)
def test_everything_in_a_request_has_a_limit(data: bytes, status: int, reason: str) -> None:
    answer, rejections = ask(data)

    assert (status, [reason]) == (answer.status, rejections)


def test_a_body_that_ends_too_early_never_reaches_the_application() -> None:
    async def story() -> tuple[int, list[str]]:
        async with serving(LIMITS) as served:
            client = await served.connect()
            client.send(request("POST", "/", "Content-Length: 10") + b"x" * 9).writer.write_eof()
            return (await client.answer()).status, served.rejections

    assert (400, ["ended_early"]) == asyncio.run(story())


def test_a_sender_that_asks_for_permission_gets_it_or_the_rejection() -> None:
    async def story() -> tuple[bytes, bytes, int]:
        async with serving(LIMITS) as served:
            client = await served.connect()
            client.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 3"))
            permission = await client.part(b"\r\n\r\n")
            content = (await client.send(b"abc").answer()).content
            rejected = await client.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 101")).answer()
            return permission, content, rejected.status

    assert (b"HTTP/1.1 100 Continue\r\n\r\n", b"POST / abc", 413) == asyncio.run(story())


def test_two_hundred_requests_sent_at_once_are_answered_in_order() -> None:
    paths = [QUICK if number % 3 else f"/{number}" for number in range(200)]

    async def story() -> list[bytes]:
        async with serving(LIMITS) as served:
            client = await served.connect()
            client.send(b"".join(request("GET", path) for path in paths))
            answers = [(await client.answer()).content for _ in paths]
            client.close()
            return answers

    assert [f"GET {path} ".encode() for path in paths] == asyncio.run(story())


def test_an_answer_to_head_has_no_content() -> None:
    async def story() -> tuple[str, bytes]:
        async with serving(LIMITS) as served:
            client = await served.connect()
            head = await client.ask("HEAD", "/abc").answer("HEAD")
            following = await client.ask("GET", "/abc").answer()
            client.close()
            return head.headers["content-length"], following.content

    assert ("10", b"GET /abc ") == asyncio.run(story())


@pytest.mark.parametrize(
    ("data", "rest"),
    [
        (request("GET", "/", "Connection: close"), b""),
        (request().replace(b"1.1", b"1.0"), b""),
        (request("GET", "/", "Connection: close") + request(), b""),
    ],
)
def test_a_connection_is_closed_after_the_answer_if_the_client_says_so(data: bytes, rest: bytes) -> None:
    async def story() -> tuple[Answer, bytes]:
        async with serving(LIMITS) as served:
            client = await served.connect()
            return await client.send(data).answer(), await client.rest()

    answer, following = asyncio.run(story())
    assert (200, "close", rest) == (answer.status, answer.headers["connection"], following)
