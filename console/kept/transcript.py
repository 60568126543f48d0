"""One conversation to print, and as a text file. What the customer deleted is in neither."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import Blueprint, Response, abort, render_template
from flask.typing import ResponseReturnValue

from console import gate, phrases
from console.dependencies import Dependencies
from console.downloads import disposition
from console.messages import shown_message
from console.request import address, person, translated, words
from console.table.rows import RowView, row_view
from domain.contract.texts import gettext_noop
from domain.conversations.reading.transcript import TranscriptItem
from domain.directory import Directory
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry
from infra.postgres.lists.conversation_page import conversation_page

_DELETED = gettext_noop("deleted by the customer")


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A message or event. `who`: who wrote it; empty: it is an event."""

    at: datetime
    who: str
    text: str


def transcript_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/transcript`, and the same as a text."""
    pages = Blueprint("transcripts", __name__, url_prefix="/conversations/<uuid:id_>")

    @pages.get("/transcript")
    @gate.open_to("messages")
    def show(id_: UUID) -> ResponseReturnValue:
        line, printed = _read(deps, id_)
        return render_template("transcript.html", line=line, printed=printed)

    @pages.get("/transcript.txt")
    @gate.open_to("messages")
    def save(id_: UUID) -> ResponseReturnValue:
        line, printed = _read(deps, id_)
        with deps.connection() as conn:
            audit.write(conn, [AuditEntry("downloaded", person().name, address(), id_, detail={"kind": "txt"})])
        head = f"{line.name} · {line.contact} · {line.line}\n{id_}\n\n"
        body = "".join(
            f"{words().moment(each.at)}  {each.who + ': ' if each.who else ''}{each.text}\n" for each in printed
        )
        headers = {"Content-Disposition": disposition(f"conversation-{id_}.txt")}
        return Response(head + body, content_type="text/plain; charset=utf-8", headers=headers)

    return pages


def _read(deps: Dependencies, id_: UUID) -> tuple[RowView, list[PrintedLine]]:
    with deps.connection() as conn:
        if not gate.may_read(conn, id_):
            abort(403)
        directory = deps.directory(conn)
        page = conversation_page(conn, id_)
    if page is None:
        abort(404)
    return row_view(page.conversation, directory), list(_lines(page.transcript, directory))


def _lines(items: list[TranscriptItem], directory: Directory) -> Iterator[PrintedLine]:
    who = {"customer": translated(gettext_noop("Customer")), "bot": translated(gettext_noop("Bot"))}
    for item in items:
        if (sentence := phrases.transcript_sentence(directory, item)) is not None:
            yield PrintedLine(item.at, "", sentence)
            continue
        agent = phrases.user_name(directory, item.agent_id) if item.agent_id else translated(gettext_noop("Agent"))
        sender = item.sender.name if item.sender is not None and item.sender.name else None
        said = shown_message(item.kind, item.text, item.extra)
        text = translated(_DELETED) if item.deleted else " ".join(part for part in (said.name, said.text) if part)
        yield PrintedLine(item.at, sender or who.get(item.speaker, agent), text)
