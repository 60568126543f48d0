"""What a message that was sent from here says about itself: how far it got, what went wrong, and what helps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from console.request import translated
from domain.contract.texts import SEND_HELP_TEXTS, gettext_noop
from domain.sending.graph_errors import status_error
from domain.sending.sends import NOT_ALLOWED, OPTED_OUT, WINDOW_CLOSED, Lane, Send, SendState

Look = Literal["waits", "tick", "ticks", "read", "alert", "unknown", "close"]
"""How a state looks: an icon of `icons.html`, except `read`, which is `ticks` in blue."""

_STATES: Mapping[SendState, tuple[Look, str]] = {
    "queued": ("waits", gettext_noop("waiting to be sent")),
    "held_after_restore": ("waits", gettext_noop("held back after a restore of the database")),
    "sending": ("waits", gettext_noop("being sent")),
    "accepted": ("tick", gettext_noop("accepted by WhatsApp")),
    "sent": ("tick", gettext_noop("sent")),
    "assumed_sent": ("tick", gettext_noop("counts as arrived")),
    "delivered": ("ticks", gettext_noop("delivered")),
    "read": ("read", gettext_noop("read")),
    "played": ("read", gettext_noop("played")),
    "failed": ("alert", gettext_noop("failed")),
    "dropped": ("alert", gettext_noop("not delivered in time")),
    "unknown": ("unknown", gettext_noop("not confirmed")),
    "recalled": ("close", gettext_noop("recalled, not sent")),
    "expired": ("alert", gettext_noop("not sent in time")),
}
_UNKNOWN = gettext_noop("Meta has not answered; it may have arrived.")
_DROPPED = gettext_noop("WhatsApp could not deliver it in time and does not try any more; the phone may be out of use.")
_EXPIRED = gettext_noop("It waited too long to be sent, and nobody expects it any more.")
_WHY_EXPIRED = {WINDOW_CLOSED: "window_closed", NOT_ALLOWED: "not_allowed", OPTED_OUT: "opted_out"}
_WRITABLE = ("text", "interactive")
_WAITING: tuple[SendState, ...] = ("queued", "held_after_restore")
_UNSENT: tuple[SendState, ...] = ("failed", "dropped", "expired", "recalled")
_HELP = {"unconfirmed": _UNKNOWN, "dropped": _DROPPED, "expired": _EXPIRED}


@dataclass(frozen=True, slots=True)
class Bubble:
    """What is shown of a send besides its text. `words`: its state; `help`: what went wrong and what helps, a sentence,
    or empty; `buttons`: the titles of its buttons. What can be done with it: `can_undo` while Meta was not asked,
    `can_resolve` while nobody knows whether it arrived, `can_write_again` its text, `needs_template` because only one
    reaches the customer."""

    id: UUID
    command_id: str
    look: Look
    words: str
    help: str
    buttons: Sequence[str]
    can_undo: bool
    can_resolve: bool
    can_write_again: bool
    needs_template: bool


def bubble(send: Send) -> Bubble:
    """The bubble of a send, in the language of the page."""
    look, state = _STATES[send.state]
    key = _help_key(send)
    help_ = _HELP.get(key) or SEND_HELP_TEXTS.get(key, "")
    return Bubble(
        send.id,
        send.command_id,
        look,
        translated(state),
        translated(help_) if help_ else "",
        _buttons(send.content),
        can_undo=send.state in _WAITING,
        can_resolve=send.state == "unknown",
        can_write_again=send.state in _UNSENT and send.kind in _WRITABLE and bool(send.text),
        needs_template=key == "window_closed",
    )


def _help_key(send: Send) -> str:
    """The key of `SEND_HELP_TEXTS` or `_HELP`, or empty. A message that waits because Meta refused it says why."""
    if send.state == "expired":
        return _WHY_EXPIRED.get(send.reason or "", "expired")
    if send.state == "failed" or (send.state in _WAITING and send.error is not None):
        return status_error(send.error).help
    return {"unknown": "unconfirmed", "dropped": "dropped"}.get(send.state, "")


def _buttons(content: Mapping[str, Any]) -> list[str]:
    action = content.get("interactive", {}).get("action", {})
    return [each["reply"]["title"] for each in action.get("buttons", ())]


def place(send: Send) -> datetime:
    """When a message was said: when Meta was asked to send it, until then when it was asked for."""
    return send.claimed_at or send.requested_at


def speaker(send: Send) -> Literal["agent", "bot"]:
    """Who a message is from, as a side of the chat."""
    return "agent" if send.lane is Lane.AGENT else "bot"
