"""How the Graph API is reached: one pool of connections, requests that are never repeated, answers of bounded size."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import urllib3
from pydantic_core import from_json, to_json
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NewConnectionError

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0
_PART = 64 * 1024
_MAX_ANSWER = 4_000_000
"""Longest answer that is read, in bytes; a page of templates has less than a megabyte."""


@dataclass(frozen=True, slots=True)
class GraphAccess:
    """How to reach the Graph API. `url`: without the version; `version`: e.g. `v24.0`; `connections`: at most as many
    requests at the same time."""

    url: str
    version: str
    token: str
    connections: int = 16
    read_seconds: float = READ_SECONDS


class NotReached(Exception):
    """No byte of the request was sent: the server could not be reached."""


class NoAnswer(Exception):
    """The request may have been received, and there is no answer that could be read."""


class TooLong(Exception):
    """What is being downloaded is longer than it may be."""


@dataclass(frozen=True, slots=True)
class MetaAnswer:
    """An answer of the Graph API. `body`: an empty object unless the answer is a JSON object; `clock_ahead`: seconds by
    which Meta's clock is ahead of this machine's, more than the way of the answer explains; negative: behind; None:
    Meta did not say."""

    status: int
    body: Mapping[str, Any]
    clock_ahead: float | None = None

    @property
    def error(self) -> Mapping[str, Any] | None:
        """Meta's error, in its own form; None: there is none."""
        error = self.body.get("error")
        return error if isinstance(error, dict) else None


class _Connection(HTTPSConnection):
    """A connection whose failures to connect, those of TLS among them, differ from failures after a request."""

    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise NewConnectionError(self, type(error).__name__) from error


class _Pool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Connection


class GraphClient:
    """Requests to the Graph API, from any number of threads."""

    def __init__(self, access: GraphAccess) -> None:
        self._access = access
        self._base = f"{access.url.rstrip('/')}/{access.version}"
        self._headers = {"Authorization": f"Bearer {access.token}", "Accept": "application/json"}
        # a repeated post may be a second message, so nothing is repeated and no redirect is followed
        self._pool = urllib3.PoolManager(
            maxsize=access.connections,
            block=True,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=access.read_seconds),
        )
        self._pool.pool_classes_by_scheme = {"http": urllib3.HTTPConnectionPool, "https": _Pool}

    def post(self, path: str, body: Mapping[str, Any]) -> MetaAnswer:
        """Posts JSON. Raises NotReached, NoAnswer."""
        headers = {**self._headers, "Content-Type": "application/json"}
        return self._request("POST", f"{self._base}/{path}", headers=headers, body=to_json(body))

    def get(self, path: str, query: Mapping[str, str]) -> MetaAnswer:
        """Gets JSON. Raises NotReached, NoAnswer."""
        return self._request("GET", f"{self._base}/{path}", headers=self._headers, fields=dict(query))

    def upload(self, path: str, body: Iterator[bytes], length: int, content_type: str) -> MetaAnswer:
        """Posts `length` bytes part by part. Raises NotReached, NoAnswer."""
        headers = {**self._headers, "Content-Type": content_type, "Content-Length": str(length)}
        return self._request("POST", f"{self._base}/{path}", headers=headers, body=body)

    def download(self, url: str, most: int, keep: Callable[[bytes], None]) -> tuple[int, int]:
        """Gives what is at an address, which gets the token, to `keep`, part by part as it arrives; returns the status
        and the number of bytes. Does not decode anything, so that a small answer cannot become a huge one. Raises
        NotReached, NoAnswer, TooLong for more than `most` bytes, and whatever `keep` raises."""
        headers = {**self._headers, "Accept": "*/*", "Accept-Encoding": "identity"}
        received = 0
        with self._answering("GET", url, headers=headers) as response:
            if response.status != 200:
                response.close()
                return response.status, 0
            while part := response.read1(_PART, decode_content=False):
                received += len(part)
                if received > most:
                    raise TooLong
                keep(part)
        return 200, received

    @property
    def origin(self) -> tuple[str, str | None, int | None]:
        """Scheme, host and port of the Graph API."""
        url = urlsplit(self._base)
        return url.scheme, url.hostname, url.port

    def _request(self, method: str, url: str, **options: Any) -> MetaAnswer:  # noqa: ANN401 - options of urllib3
        asked = datetime.now(UTC)
        with self._answering(method, url, **options) as response:
            ahead = _clock_ahead(response.headers.get("Date"), asked, datetime.now(UTC))
            data = response.read(_MAX_ANSWER + 1, decode_content=True)
            if len(data) <= _MAX_ANSWER and response.read(1):
                raise NoAnswer("the answer is too long")
        return MetaAnswer(response.status, _object(data), ahead)

    @contextmanager
    def _answering(
        self,
        method: str,
        url: str,
        **options: Any,  # noqa: ANN401 - options of urllib3
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """A request whose answer is read inside the block. A connection whose answer was not read to its end is not
        used again."""
        try:
            response = self._pool.request(
                method, url, redirect=False, preload_content=False, decode_content=True, **options
            )
        except urllib3.exceptions.ConnectTimeoutError as error:  # also a connection that was refused
            raise NotReached(_words(error)) from None
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswer(_words(error)) from None
        complete = False
        try:
            yield response
            complete = True
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoAnswer(_words(error)) from None
        finally:
            if not complete:
                response.close()
            response.release_conn()


def _clock_ahead(date: str | None, asked: datetime, answered: datetime) -> float | None:
    """Returns how far the `Date` of an answer, which has whole seconds, is outside of the time in which it came."""
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    if theirs.tzinfo is None:
        return None
    if theirs > answered:
        return (theirs - answered).total_seconds()
    return min(0.0, (theirs + timedelta(seconds=1) - asked).total_seconds())


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        body = from_json(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _words(error: Exception) -> str:
    """Returns the kind of an error. Its text may contain the path, and so the number's id."""
    return type(error).__name__
