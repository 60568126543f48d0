"""A worker that is replaced by another one loses no request of the clients that it has."""

import asyncio
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse

from infra.serving.limits import RequestLimits
from tests.support.http_server import request, serving

LIMITS = RequestLimits(body_bytes=100, queue_seconds=60)


def test_a_client_may_use_its_connection_once_more_after_the_worker_was_replaced() -> None:
    """It may have sent its next request at the very moment."""

    async def story() -> list[tuple[int, str | None]]:
        async with serving(LIMITS) as served:
            client = await served.connect()
            answers = [await client.ask().answer()]
            served.worker.retire()
            await asyncio.sleep(0.05)
            answers.append(await client.ask("POST", "/late", body=b"x").answer())
            assert await client.rest() == b""
            return [(answer.status, answer.headers.get("connection")) for answer in answers]

    assert asyncio.run(story()) == [(200, None), (200, "close")]


def test_a_request_in_progress_is_answered_by_the_worker_that_was_replaced() -> None:
    async def story() -> int:
        async with serving(LIMITS) as served:
            client = await served.connect()
            whole = request("POST", "/", body=b"0123456789")
            client.send(whole[:-5])
            await asyncio.sleep(0.05)
            served.worker.retire()
            await asyncio.sleep(0.05)
            return (await client.send(whole[-5:]).answer()).status

    assert asyncio.run(story()) == 200


def test_a_worker_that_was_replaced_ends_once_its_last_connection_is_closed() -> None:
    """It does not wait for the time that clients have, and frees what it used."""

    async def story() -> int:
        async with serving(LIMITS) as served:
            client = await served.connect()
            await client.ask().answer()
            served.worker.retire()
            client.close()
            async with asyncio.timeout(2):
                while not served.closed:
                    await asyncio.sleep(0.01)
            return served.closed

    assert asyncio.run(story()) == 1


def test_a_worker_that_was_replaced_finishes_answers_that_take_long() -> None:
    """The last answer closes its connection, and only then the worker ends."""
    begun = asyncio.Event()

    async def story() -> int:
        loop = asyncio.get_running_loop()

        def slow(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            loop.call_soon_threadsafe(begun.set)
            environ["wsgi.input"].read()
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), loop).result()
            start_response("200 OK", [])
            return [b"done"]

        async with serving(LIMITS, slow) as served:
            client = await served.connect()
            client.ask("POST", "/", body=b"x")
            await begun.wait()
            served.worker.retire()
            return (await client.answer()).status

    assert asyncio.run(story()) == 200
