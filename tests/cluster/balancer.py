"""A balancer in front of the webhooks: hands each connection to the next of them that accepts it."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from infra.local.ports import LOOPBACK, free_port

_CHUNK = 65_536


class Balancer:
    """Forwards connections from `port` to `backends` in turn, from a thread of its own."""

    def __init__(self, backends: Sequence[int]) -> None:
        """`backends`: ports on this machine."""
        self.port = free_port()
        self._backends = list(backends)
        self._turn = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        serving = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._forward, LOOPBACK, self.port, backlog=512), self._loop
        )
        serving.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in self._backends:
            self._turn = (self._turn + 1) % len(self._backends)
            try:
                there, back = await asyncio.open_connection(LOOPBACK, self._backends[self._turn])
            except OSError:
                continue
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
            return
        writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    target.close()
