"""The head of an HTTP request: which heads are accepted, and what the application sees of them.

A header name with an underscore is dropped: WSGI cannot tell it from the name with a hyphen, which only a proxy may
set. A header that may occur only once is rejected if it is repeated.
"""

from functools import lru_cache
from urllib.parse import unquote_to_bytes

from infra.serving.rejection import Rejected, malformed

MAX_HEAD_BYTES = 64 * 1024
MAX_TARGET_BYTES = 16 * 1024
"""Longest path with its query."""
MAX_VALUE_BYTES = 16 * 1024
MAX_HEADERS = 100
_MAX_NAME_BYTES = 256

_ONCE = frozenset(
    {"HTTP_HOST", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_AUTHORIZATION", "HTTP_EXPECT", "HTTP_ORIGIN", "HTTP_REFERER"}
    | {"HTTP_SEC_FETCH_SITE", "HTTP_TRANSFER_ENCODING", "HTTP_X_HUB_SIGNATURE_256", "HTTP_X_WITIOP_SIGNATURE_256"}
)
_VERSIONS = frozenset({"1.0", "1.1"})


class RequestHead:
    """A head while it arrives, and then complete. `path` is decoded as WSGI requires: each character is a byte."""

    __slots__ = ("_headers", "_size", "_target", "chunked", "environ", "is_http_11", "length", "method")

    def __init__(self) -> None:
        self._target = b""
        self._headers = 0
        self._size = 0
        self.method = ""
        self.environ: dict[str, str] = {}
        """The headers, under their names in WSGI, and later the path and the query."""
        self.length: int | None = None
        """The announced length of the body."""
        self.chunked = False
        self.is_http_11 = True

    def expects_continue(self) -> bool:
        """Whether the sender waits for permission to send the body. True only once."""
        return self.environ.pop("HTTP_EXPECT", "").lower() == "100-continue"

    def add_target(self, part: bytes) -> None:
        """Adds a part of the request's target. Raises Rejected if it is too long."""
        self._target += part
        if len(self._target) > MAX_TARGET_BYTES:
            raise Rejected(414, "too_large", f"The address is longer than {MAX_TARGET_BYTES} bytes.")

    def add(self, name: bytes, value: bytes) -> None:
        """Adds a header. Raises Rejected if there are too many or too large ones, or if it must not be repeated."""
        self._headers += 1
        self._size += len(name) + len(value)
        if (
            self._headers > MAX_HEADERS
            or self._size > MAX_HEAD_BYTES
            or len(name) > _MAX_NAME_BYTES
            or len(value) > MAX_VALUE_BYTES
        ):
            raise Rejected(431, "too_large", "The headers are too large.")
        key = _environ_key(name)
        if key is None:
            return
        text, known = value.decode("latin-1"), self.environ.get(key)
        if known is None:
            self.environ[key] = text
        elif key in _ONCE:
            raise malformed(f"{name.decode('latin-1')} occurs twice.")
        else:
            self.environ[key] = f"{known}; {text}" if key == "HTTP_COOKIE" else f"{known},{text}"

    def complete(self, method: bytes, version: str) -> None:
        """Checks the complete head. Raises Rejected."""
        if version not in _VERSIONS:
            raise Rejected(505, "malformed", "Only HTTP/1.0 and HTTP/1.1 are answered.")
        self.method = method.decode("ascii")
        self.is_http_11 = version == "1.1"
        environ = self.environ
        if self.is_http_11 and "HTTP_HOST" not in environ:
            raise malformed("Host is missing.")
        if (coding := environ.pop("HTTP_TRANSFER_ENCODING", None)) is not None:
            if coding.lower() != "chunked" or not self.is_http_11:
                raise malformed("The only known Transfer-Encoding is chunked, in HTTP/1.1.")
            self.chunked = True
        if (length := environ.pop("CONTENT_LENGTH", None)) is not None:
            self.length = int(length)  # the parser has checked that it is a number
        target = self._target
        if not target.startswith(b"/"):
            target = _of_absolute(target)
        path, _, query = target.partition(b"?")
        if b"%" in path:
            path = unquote_to_bytes(path)
        environ["PATH_INFO"] = path.decode("latin-1")
        environ["QUERY_STRING"] = query.decode("latin-1")

    def without_upgrade(self) -> bytes:
        """Returns the head as far as it matters for the parser, without a wish to change the protocol."""
        length = "Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {self.length or 0}"
        return f"{self.method} / HTTP/1.1\r\nHost: -\r\nConnection: close\r\n{length}\r\n\r\n".encode("ascii")


def _of_absolute(target: bytes) -> bytes:
    """Returns the path and the query of a target such as `http://host/path?query`. Raises Rejected for others."""
    scheme, _, rest = target.partition(b"://")
    if scheme.lower() not in (b"http", b"https"):
        raise malformed("The address of the request must be a path.")
    return b"/" + rest.partition(b"/")[2]


@lru_cache(maxsize=1024)
def _environ_key(name: bytes) -> str | None:
    """Returns the name of a header in WSGI, or None for a header that is dropped."""
    if b"_" in name:
        return None
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
