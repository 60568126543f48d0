"""A send as it is published and printed."""

from typing import Any, Literal

from domain.sending.sends import Send
from domain.times import rfc3339

SendEvent = Literal["accepted", "sent", "delivered", "read", "failed", "unknown", "settled"]
"""The public events about a send, `witiop.message.<name>.v1`."""


def send_document(send: Send) -> dict[str, Any]:
    """Returns a send without the text and the customer's ids: events about sends are read by others than events about
    conversations."""
    return {
        "id": str(send.id),
        "command_id": send.command_id,
        "conversation_id": str(send.conversation_id) if send.conversation_id else None,
        "phone_number_id": send.phone_number_id,
        "kind": send.kind,
        "state": send.state,
        "attempt": send.attempt,
        "actor": send.actor,
        "requested_at": rfc3339(send.requested_at),
        "wamid": send.wamid,
        "error": send.error,
        "reason": send.reason,
    }
