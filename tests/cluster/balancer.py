"""A balancer in front of the webhooks: hands each connection to the next of them that accepts it. A process of its own:
`python -m tests.cluster.balancer PORT BACKEND...`."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from socket import create_connection

from infra.local.guard import Guard
from infra.local.ports import LOOPBACK, free_port
from tests.support.waiting import wait_until

_ROOT = Path(__file__).resolve().parents[2]
_CHUNK = 65_536


class Balancer:
    """Forwards connections from `port` to `backends` in turn."""

    def __init__(self, backends: Sequence[int]) -> None:
        """`backends`: ports on this machine."""
        self.port = free_port()
        self._backends = backends

    def start(self, guard: Guard) -> None:
        """Returns when it accepts connections. It ends with the guard."""
        ports = map(str, (self.port, *self._backends))
        guard.spawn([sys.executable, "-m", "tests.cluster.balancer", *ports], cwd=_ROOT)
        wait_until(self._answers)

    def _answers(self) -> bool:
        with suppress(OSError), create_connection((LOOPBACK, self.port), timeout=1):
            return True
        return False


class _Forwarding:
    def __init__(self, backends: Sequence[int]) -> None:
        self._backends = backends
        self._turn = 0

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._forward, LOOPBACK, port, backlog=1024)
        await server.serve_forever()

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


if __name__ == "__main__":
    asyncio.run(_Forwarding([int(port) for port in sys.argv[2:]]).serve(int(sys.argv[1])))
