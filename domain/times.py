"""Formatting of times in public data."""

from datetime import UTC, datetime


def rfc3339(at: datetime) -> str:
    """Returns an aware time in UTC with a `Z`. Fractions of a second are written with six digits, and left out if
    zero."""
    return at.astimezone(UTC).isoformat()[: -len("+00:00")] + "Z"
