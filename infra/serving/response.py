"""Responses as bytes of HTTP/1.1."""

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple


class Response(NamedTuple):
    """What an application answers. `content` is complete."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes


_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_WITHOUT_CONTENT = frozenset({204, 304})


def response_bytes(response: Response, *, without_content: bool, close: bool) -> bytes:
    """Returns a complete response. `without_content`: the request was a HEAD. `close`: the connection will be
    closed."""
    status, headers, content = response
    lines = [_status_line(status)]
    has_length = status in _WITHOUT_CONTENT or (without_content and not content)
    for name, value in headers:
        has_length = has_length or name.lower() == "content-length"
        lines.append(f"{name}: {value}\r\n")
    if not has_length:
        lines.append(f"Content-Length: {len(content)}\r\n")
    head = _end_of_head(lines, close)
    return head if without_content or status in _WITHOUT_CONTENT else head + content


def stream_head(response: Response, *, chunked: bool, length: int | None = None) -> bytes:
    """Returns the head of a response whose content follows. `length`: of the content; None: it is not known, and
    without `chunked` it ends with the connection."""
    lines = [_status_line(response.status)]
    lines += [f"{name}: {value}\r\n" for name, value in response.headers if name.lower() != "content-length"]
    if length is not None:
        lines.append(f"Content-Length: {length}\r\n")
    elif chunked:
        lines.append("Transfer-Encoding: chunked\r\n")
    return _end_of_head(lines, close=not chunked)


def chunk(part: bytes) -> bytes:
    """Returns a part of a chunked response; an empty one is its end."""
    return b"%x\r\n%b\r\n" % (len(part), part)


def _status_line(status: int) -> str:
    return _LINES.get(status) or f"HTTP/1.1 {status} \r\n"


def _end_of_head(lines: list[str], close: bool) -> bytes:
    lines.append(f"Date: {_date.now()}\r\nConnection: close\r\n\r\n" if close else f"Date: {_date.now()}\r\n\r\n")
    return "".join(lines).encode("latin-1")


class _Date:
    """The `Date` header, formatted once per second."""

    def __init__(self) -> None:
        self._second, self._text = 0, ""

    def now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, formatdate(second, usegmt=True)
        return self._text


_date = _Date()
