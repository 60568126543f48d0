"""The callback data of a send: the text that Meta returns in statuses, by which an answer that was lost is settled.

Every app that is subscribed to the account can read it, so it holds nothing personal; its secret part keeps others
from settling our sends."""

import hmac
from base64 import b32decode, b32encode
from binascii import Error
from typing import NamedTuple
from uuid import UUID

_VERSION = "w1"
SECRET_BYTES = 8
"""Length of a send's secret."""
_MAX_ATTEMPT = 2**31 - 1


class Callback(NamedTuple):
    """The callback data of one attempt. `secret`: SECRET_BYTES that only we know, made once for each send."""

    send: UUID
    attempt: int
    secret: bytes

    def text(self) -> str:
        """Returns what is sent to Meta, about 60 characters."""
        return ".".join((_VERSION, _base32(self.send.bytes), str(self.attempt), _base32(self.secret)))

    def is_of(self, secret: bytes) -> bool:
        """Returns whether this is the callback data of a send that has this secret."""
        return hmac.compare_digest(self.secret, secret)


def read_callback(text: str) -> Callback | None:
    """Returns the callback data in a status; None: it is not ours."""
    version, _, rest = text.partition(".")
    parts = rest.split(".")
    if version != _VERSION or len(parts) != 3 or not parts[1].isascii() or not parts[1].isdigit():
        return None
    try:
        send, secret, attempt = _bytes(parts[0]), _bytes(parts[2]), int(parts[1][:11])
    except (Error, ValueError):
        return None
    if len(send) != 16 or len(secret) != SECRET_BYTES or attempt > _MAX_ATTEMPT:
        return None
    return Callback(UUID(bytes=send), attempt, secret)


def _base32(data: bytes) -> str:
    return b32encode(data).decode().rstrip("=").lower()


def _bytes(text: str) -> bytes:
    return b32decode(text.upper() + "=" * (-len(text) % 8))
