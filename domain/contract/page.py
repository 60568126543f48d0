"""Transcript and history as JSON documents (interface.md, A row). Keys are public: new ones may be added, none is
removed."""

from domain.conversations.events import HistoryEntry
from domain.conversations.reading.transcript import TranscriptItem
from domain.times import rfc3339


def transcript_document(item: TranscriptItem) -> dict[str, object]:
    """Returns an item as plain JSON values. `agent_id`, `sender`, `edited` and `deleted` are left out when empty or
    false."""
    document: dict[str, object] = {
        "id": str(item.id),
        "at": rfc3339(item.at),
        "from": item.speaker,
        "kind": item.kind,
        "text": item.text,
        "status": item.status,
    }
    if item.agent_id:
        document["agent_id"] = item.agent_id
    if item.sender is not None:
        sender = item.sender
        document["sender"] = {"wa_id": sender.wa_id, "user_id": sender.user_id, "name": sender.name}
    if item.edited:
        document["edited"] = True
    if item.deleted:
        document["deleted"] = True
    return document


def history_document(entry: HistoryEntry) -> dict[str, object]:
    """Returns an entry as plain JSON values. `mail`, `command_id` and `note` are left out when empty. `why`:
    only of a dismissal."""
    document: dict[str, object] = {
        "sequence": entry.sequence,
        "at": rfc3339(entry.at),
        "event": entry.event,
        "reason": entry.reason and entry.reason.value,
        "because": [str(fact) for fact in entry.because],
        "actor": entry.actor,
        "owner": entry.owner and {"kind": entry.owner[0], "id": entry.owner[1]},
    }
    if entry.mail_id:
        document["mail"] = str(entry.mail_id)
    if entry.command_id:
        document["command_id"] = entry.command_id
    if entry.event == "dismissed":
        document["why"] = entry.dismissed_as
    if entry.note:
        document["note"] = entry.note
    return document
