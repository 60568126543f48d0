"""The transcript: everything that was said and done in a conversation, for a person to read (manual fact S11)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from domain.ids import FactId
from domain.rows import rfc3339

Speaker = Literal["customer", "bot", "agent", "system"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact as it is stored: `kind` is the fact's, `body` its text, `detail` the rest of it as plain JSON."""

    id: FactId
    at: datetime
    kind: str
    wamid: str | None
    body: str | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an outgoing message: the `rank` of its furthest success (0: none), last success, last failure."""

    rank: int
    succeeded_at: datetime | None
    failed_at: datetime | None

    @property
    def status(self) -> str | None:
        """A failure is final unless a later success, by Meta's own time, proves otherwise (webhooks.md, Statuses)."""
        if self.failed_at is not None and (self.succeeded_at is None or self.succeeded_at <= self.failed_at):
            return "failed"
        return _SUCCESSES[self.rank]


_SUCCESSES = (None, "sent", "delivered", "read", "played")

_EVENTS: dict[str, tuple[Speaker, str]] = {
    "bot_session_started": ("bot", "session.started"),
    "bot_message": ("bot", "text"),
    "bot_menu_shown": ("bot", "menu.shown"),
    "bot_choice": ("bot", "choice.made"),
    "bot_handoff": ("bot", "handoff.requested"),
    "bot_session_ended": ("bot", "session.ended"),
    "agent_accepted": ("agent", "conversation.accepted"),
    "agent_message": ("agent", "text"),
    "agent_declined": ("agent", "conversation.declined"),
    "agent_closed": ("agent", "conversation.closed"),
    "customer_identity_changed": ("system", "identity.changed"),
    "thread_control_passed": ("system", "thread_control.passed"),
}
"""Who did what the name says; messages of a customer or from the phone app carry their own type instead."""

_MARKS = {"edit": "edited", "revoke": "deleted"}


def transcript(
    entries: Iterable[Entry], deliveries: Mapping[str, Delivery], later_signals: Iterable[Entry] = ()
) -> list[dict[str, object]]:
    """The items of interface.md in the order of their times. What the customer edited or took back stays, with
    `"edited": true` or `"deleted": true`; `later_signals` are entries outside this conversation that may say so.
    `deliveries` by wamid. An item of an agent whose name is known has `agent_id`."""
    entries = sorted(entries, key=lambda entry: (entry.at, entry.id))
    marked: dict[str, set[str]] = {}
    for signal in (*entries, *later_signals):
        mark, wamid = _MARKS.get(_type(signal)), signal.detail.get("marks")
        if mark and wamid:
            marked.setdefault(wamid, set()).add(mark)
    return [_item(entry, deliveries, marked) for entry in entries]


def _item(entry: Entry, deliveries: Mapping[str, Delivery], marked: Mapping[str, set[str]]) -> dict[str, object]:
    speaker, kind = _speaker_and_kind(entry)
    delivery = deliveries.get(entry.wamid) if entry.wamid and speaker in ("bot", "agent") else None
    item: dict[str, object] = {
        "id": str(entry.id),
        "at": rfc3339(entry.at),
        "from": speaker,
        "kind": kind,
        "text": entry.body if entry.body is not None else _said(entry),
        "status": delivery and delivery.status,
    }
    if agent := entry.detail.get("agent_id"):
        item["agent_id"] = agent
    if speaker == "customer" and entry.wamid:
        item |= dict.fromkeys(sorted(marked.get(entry.wamid, ())), True)
    return item


def _speaker_and_kind(entry: Entry) -> tuple[Speaker, str]:
    kind = _type(entry)
    match entry.kind:
        case "customer_turn":
            return "customer", kind
        case "customer_signal":
            return ("system" if kind == "system" else "customer"), kind
        case "human_echo":
            return "agent", kind
        case event:
            return _EVENTS.get(event, ("system", event))


def _type(entry: Entry) -> str:
    return str(entry.detail.get("type", entry.kind))


def _said(entry: Entry) -> str | None:
    """What an event without a text says: the menu's options, one a line, the option chosen, the skillset, the note."""
    detail = entry.detail
    match entry.kind:
        case "bot_menu_shown":
            return "\n".join(f"{option['id']} {option['title']}" for option in detail["options"])
        case "bot_choice":
            return str(detail["option_id"])
        case "bot_handoff":
            return str(detail["skillset"])
        case "bot_session_ended":
            return detail.get("outcome")
        case "agent_declined" | "agent_closed":
            return detail.get("note")
        case _:
            return None
