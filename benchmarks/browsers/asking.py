"""Requests of simulated browsers, all in one event loop."""

import asyncio

from infra.local.ports import LOOPBACK


async def fetch(port: int, cookie: str, path: str, *more: str, form: str | None = None) -> bytes:
    """Returns the whole response to a GET, or to a POST of an encoded form. `more`: header lines."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    ask(writer, cookie, path, "Connection: close", *more, form=form)
    await writer.drain()
    response = await reader.read()
    writer.close()
    return response


def ask(writer: asyncio.StreamWriter, cookie: str, path: str, *more: str, form: str | None = None) -> None:
    """Writes a request and does not wait for anything."""
    head = [f"{'GET' if form is None else 'POST'} {path} HTTP/1.1", f"Host: {LOOPBACK}", f"Cookie: {cookie}", *more]
    if form is not None:
        head += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"]
    writer.write("\r\n".join([*head, "", form or ""]).encode())
