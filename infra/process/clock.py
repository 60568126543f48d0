"""This machine's clock, the only place where it is read for the rules: they take the time as an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)
