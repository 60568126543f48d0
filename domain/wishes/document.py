"""A wish as it is printed."""

from typing import Any

from domain.times import rfc3339
from domain.wishes.wish import TemplateSend, Wish, shown_state


def wish_document(wish: Wish, send: TemplateSend) -> dict[str, Any]:
    """Returns a wish as JSON. Keys may be added, never removed."""
    return {
        "id": str(wish.id),
        "command_id": wish.command_id,
        "state": shown_state(wish, send),
        "ended_because": wish.ended_because,
        "conversation_id": str(wish.conversation_id),
        "executed_in": str(wish.executed_in) if wish.executed_in else None,
        "send_id": str(wish.send_id),
        "target": {"kind": wish.target_kind, "id": wish.target_id},
        "mode": wish.mode,
        "actor": wish.actor,
        "requested_at": rfc3339(wish.requested_at),
        "ends_at": rfc3339(wish.ends_at),
        "changed_at": rfc3339(wish.changed_at) if wish.changed_at else None,
    }
