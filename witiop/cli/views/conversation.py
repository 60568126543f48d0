"""Renders a conversation for people: its state and reason, its transcript and its history."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from rich.text import Text

from domain.contract.row import visible_name
from domain.contract.texts import NO_NAME, REASON_TEXTS
from domain.conversations.conversation import Conversation, Owner
from domain.conversations.events import HistoryEntry
from domain.conversations.reading.transcript import TranscriptItem, senders
from infra.postgres.lists.conversation_page import ConversationPage
from witiop.cli.views.display import GAP, aligned, cut, duration, harmless, indented, status_cell

_SPEAKERS = {"customer": "bold", "bot": "cyan", "agent": "green", "system": "dim"}
_DELIVERIES = {
    "sent": "✓ sent",
    "delivered": "✓✓ delivered",
    "read": "✓✓ read",
    "played": "✓✓ played",
    "failed": "✗ failed",
}
_QUOTED_CELLS = 40


def conversation_lines(page: ConversationPage, now: datetime, width: int | None) -> Iterator[Text]:
    """Yields the lines of a conversation, with times in the number's time zone.

    `width` is the width of the terminal in cells, None for a pipe.
    """
    zone = ZoneInfo(page.number.time_zone)
    facts: dict[UUID, TranscriptItem] = {item.id: item for item in page.transcript}
    yield from _head(page, facts, now, zone)
    yield from _section("Transcript")
    yield from _transcript(page.transcript, page.conversation.group_id is not None, zone, width)
    yield from _section("History")
    yield from _history(page.history, facts, zone)


def _head(
    page: ConversationPage, facts: Mapping[UUID, TranscriptItem], now: datetime, zone: ZoneInfo
) -> Iterator[Text]:
    conversation = page.conversation
    yield Text.assemble(status_cell(conversation.status), GAP, (_state(conversation), "bold"))
    group = conversation.group_id and f"group {conversation.group_id}"
    names = (visible_name(conversation) or group or NO_NAME, conversation.wa_id, conversation.user_id)
    customer = " ".join(harmless(name) for name in names if name)
    number = conversation.phone_number_id
    if page.number.name:
        number = f"{page.number.name} ({number})"
    lines = [
        ("id", str(conversation.id)),
        ("customer", customer),
        ("number", harmless(number)),
        ("opened", _moment(conversation.opened_at, zone)),
        ("window", _window(conversation, now, zone)),
    ]
    if conversation.closed_at is not None:
        lines.append(("closed", _moment(conversation.closed_at, zone)))
    if conversation.owner is not None:
        lines.append(("owner", _owner(conversation.owner, zone)))
    if conversation.parked_until is not None and now < conversation.parked_until:
        lines.append(("parked", f"until {_moment(conversation.parked_until, zone)}"))
    if conversation.waits_since is not None:
        lines.append(("waits", _wait(conversation, conversation.waits_since, zone)))
    if (released := conversation.released) is not None:
        note = f": {harmless(released.note)}" if released.note else ""
        lines.append(("released", f"by {harmless(released.by or '')}{note}"))
    if (dismissed := conversation.dismissed) is not None:
        note = f": {harmless(dismissed.note)}" if dismissed.note else ""
        what = f"{dismissed.why} by {harmless(dismissed.by)}, {_moment(dismissed.ref.at, zone)}"
        lines.append(("dismissed", f"{what}{note}"))
    if (reason := conversation.reason) is not None:
        lines.append(("reason", f"{reason.value}: {REASON_TEXTS[reason].sentence}"))
        lines.append(("decided by", _facts(conversation.because, facts, zone)))
    yield from aligned([[Text(title, "dim"), Text(text)] for title, text in lines])


def _section(title: str) -> Iterator[Text]:
    yield Text()
    yield Text(title, "bold")


def _state(conversation: Conversation) -> str:
    if conversation.unmanaged:
        return "unmanaged"
    if conversation.dismissed is not None:
        return "dismissed"
    if conversation.owner is not None and conversation.owner.state == "accepted" and not conversation.managed:
        return "accepted, not answered yet"
    return "managed" if conversation.managed else "waiting"


def _window(conversation: Conversation, now: datetime, zone: ZoneInfo) -> str:
    end = conversation.window_ends_at
    if now >= end:
        return f"ended {_moment(end, zone)}"
    left = f", {duration(end - now)} left" if conversation.status == "active" else ""
    return f"ends {_moment(end, zone)}{left}"


def _wait(conversation: Conversation, since: datetime, zone: ZoneInfo) -> str:
    listed = f", on the list from {_moment(conversation.reply_by, zone)}" if conversation.reply_by else ""
    return f"for a reply since {_moment(since, zone)}{listed}"


def _owner(owner: Owner, zone: ZoneInfo) -> str:
    until = f" until {_moment(owner.until, zone)}" if owner.until else ""
    return f"{owner.state} for {owner.kind} {harmless(owner.id)}{until}"


def _transcript(items: Sequence[TranscriptItem], group: bool, zone: ZoneInfo, width: int | None) -> Iterator[Text]:
    people = senders(items, group)
    speakers = [
        " ".join(harmless(part) for part in (item.speaker, item.agent_id, people.get(item.id)) if part)
        for item in items
    ]
    longest = max(map(len, speakers), default=0)
    day = None
    for item, speaker in zip(items, speakers, strict=True):
        at = item.at.astimezone(zone)
        if (today := f"{at:%A %Y-%m-%d} {at.isoformat()[-6:]}") != day:
            yield Text(today, "dim")
            day = today
        first = Text.assemble(f"  {at:%H:%M:%S}  ", (f"{speaker:<{longest}}", _SPEAKERS[item.speaker]), GAP)
        yield from indented(first, _text(item), width)


def _text(item: TranscriptItem) -> str:
    kind = "" if item.kind == "text" else f"[{item.kind}]"
    edited, deleted = "(edited)" if item.edited else "", "(deleted)" if item.deleted else ""
    parts = (kind, item.text, _DELIVERIES.get(item.status or ""), edited, deleted)
    return " ".join(part for part in parts if part)


def _history(events: Iterable[HistoryEntry], facts: Mapping[UUID, TranscriptItem], zone: ZoneInfo) -> Iterator[Text]:
    rows = []
    for event in events:
        owner = event.owner and " ".join(event.owner)
        reason = event.reason and f"({event.reason.value})"
        dismissed = f"({event.dismissed_as})" if event.event == "dismissed" else None
        mail = event.mail_id and str(event.mail_id)
        note = event.note and f'"{event.note}"'
        description = " ".join(part for part in (event.event, reason, dismissed, owner, mail, note) if part)
        because = f"command {event.command_id}" if event.command_id else _facts(event.because, facts, zone)
        rows.append([f"  {_moment(event.at, zone)}", description, f"by {event.actor}", because])
    yield from aligned([[Text(harmless(cell)) for cell in row] for row in rows]) if rows else ()


def _facts(ids: Iterable[UUID], facts: Mapping[UUID, TranscriptItem], zone: ZoneInfo) -> str:
    """Returns the facts of a decision: text, sender and time if the transcript has them, else the id."""
    return "; ".join(_fact(facts[id_], zone) if id_ in facts else str(id_) for id_ in ids)


def _fact(item: TranscriptItem, zone: ZoneInfo) -> str:
    text = f'"{cut(Text(harmless(item.text)), _QUOTED_CELLS)}"' if item.text else f"[{item.kind}]"
    return f"{text} ({item.speaker}, {item.at.astimezone(zone):%H:%M:%S})"


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(" ", "seconds")
