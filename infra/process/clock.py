"""This machine's clock. The rules of `domain` take the time as an argument; their callers get it here."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Returns the current time (aware UTC)."""
    return datetime.now(UTC)
