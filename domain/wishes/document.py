"""A wish as it is published and printed."""

from typing import Any, Literal, get_args

from domain.times import rfc3339
from domain.wishes.wish import TemplateSend, Wish, WishEnd, shown_state

WishEvent = Literal["requested", "executed"] | WishEnd
"""The public events about a wish, `witiop.transfer_on_reply.<name>.v1`: each at most once, and one of them last."""
WISH_EVENTS: tuple[WishEvent, ...] = ("requested", "executed", *get_args(WishEnd))


def event_name(wish: Wish) -> WishEvent:
    """Returns the event that a new wish, or one that has come to its end, is published with."""
    if wish.is_open:
        return "requested"
    return wish.ended_because or "executed"


def wish_document(wish: Wish, send: TemplateSend | None = None) -> dict[str, Any]:
    """Returns a wish as JSON, without the text of its template. Keys may be added, never removed. `send`: how far that
    is; None: it does not matter, or Meta was not asked to send it."""
    return {
        "id": str(wish.id),
        "command_id": wish.command_id,
        "state": shown_state(wish, send),
        "ended_because": wish.ended_because,
        "conversation_id": str(wish.conversation_id),
        "phone_number_id": wish.phone_number_id,
        "executed_in": str(wish.executed_in) if wish.executed_in else None,
        "send_id": str(wish.send_id),
        "target": {"kind": wish.target_kind, "id": wish.target_id},
        "mode": wish.mode,
        "actor": wish.actor,
        "requested_at": rfc3339(wish.requested_at),
        "ends_at": rfc3339(wish.ends_at),
        "changed_at": rfc3339(wish.changed_at) if wish.changed_at else None,
    }
