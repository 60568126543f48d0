"""What a message that was sent from here says about itself: how far it got, what went wrong, and what helps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from console.request import translated
from domain.contract.send_help import send_help_key
from domain.contract.texts import SEND_HELP_TEXTS, gettext_noop
from domain.sending.sends import WAITING, Lane, Send, SendState

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
_WRITABLE = ("text", "interactive")
_UNSENT: tuple[SendState, ...] = ("failed", "dropped", "expired", "recalled")


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
    look, _ = _STATES[send.state]
    key = send_help_key(send)
    return Bubble(
        send.id,
        send.command_id,
        look,
        state_words(send.state),
        translated(SEND_HELP_TEXTS[key]) if key is not None else "",
        _buttons(send.content),
        can_undo=send.state in WAITING,
        can_resolve=send.state == "unknown",
        can_write_again=send.state in _UNSENT and send.kind in _WRITABLE and bool(send.text),
        needs_template=key == "window_closed",
    )


def _buttons(content: Mapping[str, Any]) -> list[str]:
    action = content.get("interactive", {}).get("action", {})
    return [each["reply"]["title"] for each in action.get("buttons", ())]


def state_words(state: SendState) -> str:
    """A state in the language of the page."""
    return translated(_STATES[state][1])


def place(send: Send) -> datetime:
    """When a message was said: when Meta was asked to send it, until then when it was asked for."""
    return send.claimed_at or send.requested_at


def speaker(send: Send) -> Literal["agent", "bot"]:
    """Who a message is from, as a side of the chat."""
    return "agent" if send.lane is Lane.AGENT else "bot"
