"""Problem documents (RFC 9457), the body of every error response."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
"""The `Retry-After` of a 503."""


def problem_json(status: int, detail: str, errors: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """Returns a problem document as JSON. `errors`, if any, becomes an extension member of that name."""
    document: dict[str, Any] = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if errors:
        document["errors"] = list(errors)
    return json.dumps(document).encode()
