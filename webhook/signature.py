"""The signature of a webhook body: `sha256=` and the hex HMAC-SHA256 of its raw bytes (webhooks.md)."""

import hmac
import re
from collections.abc import Sequence

_HEADER = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII | re.IGNORECASE)


def is_signed(header: str | None, body: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether one of `secrets` signed exactly these bytes. False for a header that is missing or malformed, and for an
    empty list of secrets. Compares in constant time per secret. Never raises."""
    match = _HEADER.fullmatch(header or "")
    if match is None:
        return False
    digest = bytes.fromhex(match[1])
    checks = [hmac.compare_digest(hmac.digest(secret, body, "sha256"), digest) for secret in secrets]
    return any(checks)
