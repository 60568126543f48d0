"""Simulated browsers of agents: each opens the agents' page and its stream, says that it is ready and that the page
rings, asks for the changes whenever its stream says so, and records when it received which offer.

`python -m benchmarks.browsers.agents PORT COOKIES OFFERS SECONDS`: COOKIES is a file with a cookie and the address of
an open conversation per line, one line per agent. A line is printed when all pages are open and current, and one for
each offer, with its time and its conversation. It ends with its standard input, once it has so many offers; after so
many seconds it fails.
"""

import asyncio
import re
import sys
from html import unescape
from pathlib import Path
from time import monotonic, time
from urllib.parse import quote, urlencode

from benchmarks.browsers.asking import ask, fetch
from infra.local.ports import LOOPBACK

_DESK = re.compile(rb'id="desk"[^>]*data-here="([^"]+)"\s+data-csrf="([^"]+)"\s+data-page="([^"]+)"', re.DOTALL)
_LOOK = re.compile(rb'id="desk-look"[^>]*data-seen="([^"]*)"\s+hx-get="([^"]+)"', re.DOTALL)
_FROM = re.compile(rb'id="listen"[^>]*data-from="([^"]+)"')
_OFFER = re.compile(rb'data-offer="([0-9a-f-]{36})"')
_HERE_SECONDS = 3.0
"""At least between two answers to the stream, as in `console/static/desk.js`."""
_AT_ONCE = 20


class _Agent:
    def __init__(self, port: int, cookie: str, path: str) -> None:
        self.offers: dict[str, float] = {}
        self.is_current = asyncio.Event()
        self._port = port
        self._cookie = cookie
        self._path = path
        self._here = self._form = self._seen = self._changes = ""
        self._here_due = 0.0
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> asyncio.StreamReader:
        """Opens page and stream, and says that the agent is ready."""
        page = await fetch(self._port, self._cookie, self._path)
        desk, start = _DESK.search(page), _FROM.search(page)
        assert desk is not None and start is not None, page[:500]
        self._here, csrf, own_page = (unescape(part.decode()) for part in desk.groups())
        self._form = urlencode({"csrf": csrf, "page": own_page, "rings": "1"})
        self._read(page)
        answer = await fetch(self._port, self._cookie, "/desk/presence", form=f"{self._form}&state=ready")
        assert b" 303 " in answer.split(b"\r\n")[0], answer[:500]
        reader, self._writer = await asyncio.open_connection(LOOPBACK, self._port)  # closes when it is freed
        ask(self._writer, self._cookie, f"{unescape(start[1].decode())}?open={self._path.rpartition('/')[2]}")
        await self._writer.drain()
        assert b" 200 " in await reader.readline()
        return reader

    async def watch(self, stream: asyncio.StreamReader) -> None:
        """Does what the page's script does about the events of the stream, until it ends."""
        while line := await stream.readline():
            if not line.startswith(b"event: "):
                continue
            if monotonic() >= self._here_due:
                self._here_due = monotonic() + _HERE_SECONDS
                await fetch(self._port, self._cookie, self._here, "X-Live: 1", form=self._form)
            if line == b"event: open\n":
                address = f"{self._changes}&box=text&seen={quote(self._seen)}"
                target = ("X-Live: 1", "HX-Request: true", "HX-Target: desk-look")
                self._read(await fetch(self._port, self._cookie, address, *target))
                self.is_current.set()

    def _read(self, page: bytes) -> None:
        """Notes the offers of a page or of its changes."""
        now = time()
        look = _LOOK.search(page)
        if look is None:
            assert b" 204 " in page.split(b"\r\n")[0], page[:500]
            return
        self._seen, self._changes = (unescape(part.decode()) for part in look.groups())
        for offer in _OFFER.findall(page):
            self.offers.setdefault(offer.decode(), now)


async def _main(agents: list[_Agent], offers: int, seconds: float) -> None:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def opened(agent: _Agent) -> asyncio.StreamReader:
        async with turn:
            return await agent.open()

    streams = await asyncio.gather(*map(opened, agents))
    watching = [asyncio.create_task(agent.watch(stream)) for agent, stream in zip(agents, streams, strict=True)]
    await asyncio.gather(*(agent.is_current.wait() for agent in agents))  # a new stream makes a page ask once
    print("all listen", flush=True)
    over = asyncio.create_task(_until_all(agents, offers, seconds))
    ended, _ = await asyncio.wait([over, *watching], return_when=asyncio.FIRST_COMPLETED)
    assert ended == {over}, "a stream ended"
    over.result()


async def _until_all(agents: list[_Agent], offers: int, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while sum(len(agent.offers) for agent in agents) < offers:
            await asyncio.sleep(0.1)
    for agent in agents:
        for id_, at in agent.offers.items():
            print(at, id_)
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    port, cookies, offers, seconds = sys.argv[1:]
    agents = [_Agent(int(port), *line.split(" ")) for line in Path(cookies).read_text().splitlines()]
    asyncio.run(_main(agents, int(offers), float(seconds)))
