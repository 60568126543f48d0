"""The signature of a webhook body: `sha256=` and the hex HMAC-SHA256 of its raw bytes (webhooks.md)."""

import hmac
import re
from collections.abc import Sequence

_HEADER = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII | re.IGNORECASE)


def is_signed(header: str | None, body: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether one of `secrets` signed exactly these bytes, in constant time for each. A header that is missing or
    malformed, and an empty list of secrets, is a no; nothing raises."""
    given = _HEADER.fullmatch(header or "")
    if given is None:
        return False
    digest = given[1].lower()
    checks = [hmac.compare_digest(hmac.new(secret, body, "sha256").hexdigest(), digest) for secret in secrets]
    return any(checks)
