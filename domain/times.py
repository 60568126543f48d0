"""Times as the outside reads them."""

from datetime import UTC, datetime


def rfc3339(at: datetime) -> str:
    """UTC with a `Z`; a fraction, of six digits, only where there is one."""
    return at.astimezone(UTC).isoformat()[: -len("+00:00")] + "Z"
