"""A refusal as a problem document (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
"""When a sender whom we answered 503 may come back."""


def problem_json(status: int, detail: str, errors: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """The document; `errors`, if any, is our extension member of that name."""
    document: dict[str, Any] = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if errors:
        document["errors"] = list(errors)
    return json.dumps(document).encode()
