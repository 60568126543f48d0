"""Simulated browsers: each opens the list and its stream, and records when it received which row.

`python -m benchmarks.browsers.viewers PORT COOKIES SECONDS OUT`: COOKIES is a file with one cookie per line, one per
viewer. OUT receives one line of JSON per viewer: its rows, as `[id, entries]`, and what it received, as
`[time, id, entries]`. A line is printed when all streams are open.
"""

import asyncio
import json
import re
import sys
from html import unescape
from pathlib import Path
from time import time

from benchmarks.browsers.asking import ask, fetch
from infra.local.ports import LOOPBACK

_SEEN = re.compile(rb'data-seen="([0-9a-f-]{36})\.\d+\.\d+\.(\d+)"')
_AT_ONCE = 20


async def _view(
    port: int, cookie: str, seconds: float, turn: asyncio.Semaphore, all_listen: asyncio.Barrier
) -> dict[str, list[list[object]]]:
    async with turn:
        page = await fetch(port, cookie, "/unmanaged")
        listen = re.search(rb'id="listen"[^>]*data-from="([^"]+)"\s+data-newest="([^"]*)" data-total="(\d*)"', page)
        assert listen is not None, page[:500]
        marks = b",".join(re.findall(rb'data-seen="([^"]+)"', page)).decode()
        start, newest, total = (unescape(part.decode()) for part in listen.groups())
        reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=2**20)
        ask(writer, cookie, f"{start}&newest={newest}&total={total}&seen={marks}")
        await writer.drain()
        assert b" 200 " in await reader.readline()
    if await all_listen.wait() == 0:
        print("all listen", flush=True)
    had = [[id_.decode(), int(entries)] for id_, entries in _SEEN.findall(page)]
    received: list[list[object]] = []
    try:
        async with asyncio.timeout(seconds):
            while line := await reader.readline():
                if b"data-seen" in line:  # one line of a dozen
                    now = time()
                    received += [[now, id_.decode(), int(entries)] for id_, entries in _SEEN.findall(line)]
    except TimeoutError:
        writer.close()
    return {"had": had, "received": received}


async def _main(port: int, cookies: list[str], seconds: float) -> list[dict[str, list[list[object]]]]:
    turn = asyncio.Semaphore(_AT_ONCE)
    all_listen = asyncio.Barrier(len(cookies))
    return await asyncio.gather(*(_view(port, cookie, seconds, turn, all_listen) for cookie in cookies))


if __name__ == "__main__":
    port, cookies, seconds, out = sys.argv[1:]
    found = asyncio.run(_main(int(port), Path(cookies).read_text().split("\n"), float(seconds)))
    Path(out).write_text("\n".join(map(json.dumps, found)))
