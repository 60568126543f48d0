"""What is published when a customer was erased: who reads public events keeps copies, and has to learn of it."""

from datetime import datetime

from domain.conversations.conversation import Conversation
from domain.conversations.events import PublicEvent


def erased(of: Conversation, at: datetime, by: str) -> PublicEvent:
    """Returns the last public event of a conversation: as it was, over, and without all that leads to its customer.
    `by`: who asked for the erasure."""
    is_active = of.status == "active"
    after = of._replace(
        wa_id=None,
        user_id=None,
        group_id=None,
        evidence=of.evidence._replace(named=None, last_text=None, last_speaker=None),
        decisions=of.decisions._replace(owner=None, queued_at=None, parked_until=None, released=None, dismissed=None),
        status="closed",
        closed_at=at if is_active else of.closed_at,
        dismissed=of.dismissed and of.dismissed._replace(note=None),
        waits_since=None,
        reply_by=None,
        version=of.version + is_active,
        sequence=of.sequence + 1,
    )
    return PublicEvent(after, "erased", at, (), by)
