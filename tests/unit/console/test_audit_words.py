"""The audit log says in words whatever it has."""

from typing import get_args

from console.people.audit_words import _EVENTS
from infra.postgres.console.audit import AuditEvent


def test_every_entry_has_its_words() -> None:
    """What was asked for is worded as its command."""
    assert set(get_args(AuditEvent)) - {"asked"} == _EVENTS.keys()
