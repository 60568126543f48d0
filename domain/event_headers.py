"""Headers of CloudEvents 1.0 events in Kafka's binary mode (interface.md, Kafka out and in)."""

from collections.abc import Mapping
from datetime import datetime

from domain.times import rfc3339


def event_headers(
    id_: str, type_: str, source: str, at: datetime, extensions: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Returns the headers of an event with JSON data. `at`: when it happened (aware UTC). `extensions`: further headers
    by their full names, for example `ce_sequence`."""
    return {
        "ce_specversion": "1.0",
        "ce_id": id_,
        "ce_type": type_,
        "ce_source": source,
        "ce_time": rfc3339(at),
        **(extensions or {}),
        "content-type": "application/json",
    }
