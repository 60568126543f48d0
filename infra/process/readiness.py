"""The readiness protocol: what `/healthz` and `/readyz` answer, and a client that asks `/readyz`."""

import json
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any

ALIVE: dict[str, Any] = {"alive": True}
"""The body of `/healthz`, with status 200."""

_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on
_LONGEST_ANSWER = 10_000


def readiness(not_ready_reasons: Sequence[str]) -> tuple[dict[str, Any], int]:
    """Returns body and status of `/readyz`: 200 when there are no reasons, else 503. The body lists them as
    `missing`."""
    return {"ready": not not_ready_reasons, "missing": list(not_ready_reasons)}, 503 if not_ready_reasons else 200


def every_reason(*reasons: str | None) -> str | None:
    """Returns all reasons as one, each once; None when there is none."""
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason)) or None


def not_ready_reason_at(host: str, port: int, timeout_seconds: float = 2) -> str | None:
    """Asks `/readyz` at an address and returns why the process is not ready; None when it is. A process that does not
    answer within the timeout is not ready. `host`: also an address to listen on, e.g. 0.0.0.0. Never raises."""
    with closing(HTTPConnection(_LOOPBACK_OF.get(host, host), port, timeout=timeout_seconds)) as connection:
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            body = answer.read(_LONGEST_ANSWER)
        except (OSError, HTTPException) as error:
            return f"no answer ({type(error).__name__})"
    if answer.status == 200:
        return None
    try:
        return "; ".join(json.loads(body)["missing"])
    except (ValueError, KeyError, TypeError):
        return f"/readyz answered {answer.status}"
