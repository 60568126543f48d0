"""One conversation beside the list (manual facts S11, S12, S13): the chat, the mail, the info."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from flask import render_template
from psycopg import Connection

from console import phrases
from console.commands import new_form
from console.dependencies import Dependencies
from console.request import words
from console.table.query import ListQuery
from console.table.rows import RowView, row_view
from domain.conversations.history import HistoryEntry
from domain.conversations.transcript import TranscriptItem
from domain.directory import Directory
from domain.mail import Mail
from infra.postgres import mails
from infra.postgres.lists.conversation_page import ConversationPage, conversation_page, marks


@dataclass(frozen=True, slots=True)
class ChatEntry:
    """One thing in the chat, in order: a `day` that begins, a `message`, a `sentence` of the system."""

    kind: Literal["day", "message", "sentence"]
    at: datetime
    text: str
    id: str = ""
    speaker: str = ""
    who: str = ""
    picture: str = ""
    named: str = ""
    status: str = ""
    edited: bool = False
    deleted: bool = False
    decides: bool = False


@dataclass(frozen=True, slots=True)
class ForwardedMail:
    """A mail of the conversation. `why`: why it failed, in words; `arrived`: what became of it, recipient by recipient,
    and why it came back."""

    mail: Mail
    why: str
    arrived: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Panel:
    """What the panel shows. `seen` changes whenever it does."""

    page: ConversationPage
    line: RowView
    chat: Sequence[ChatEntry]
    mails: Sequence[ForwardedMail]
    seen: str


def render(
    parts: Dependencies, conn: Connection[Any], directory: Directory, query: ListQuery, endpoint: str, **more: object
) -> str:
    """The panel of the open conversation; empty if none is open. `more`: what its mail form holds already."""
    panel = look(conn, directory, query)
    if query.open is not None and panel is None:
        return render_template("panel_unknown.html", query=query, endpoint=endpoint)
    if panel is None:
        return ""
    return render_template(
        "panel.html",
        query=query,
        panel=panel,
        directory=directory,
        endpoint=endpoint,
        post=parts.post,
        form=more.pop("form", None) or new_form(),
        typed=more.pop("typed", {}),
        masked=more.pop("masked", parts.post.policy.mask if parts.post else False),
        **more,
    )


def look(conn: Connection[Any], directory: Directory, query: ListQuery) -> Panel | None:
    """The open conversation as it is now."""
    if query.open is None:
        return None
    mark = marks(conn, [query.open]).get(query.open)  # before the rest: what comes in between is looked at again
    page = conversation_page(conn, query.open)
    if page is None or mark is None:
        return None
    sent = list(_forwarded(conn, page.conversation.id))
    row = row_view(page.conversation, directory)
    return Panel(page, row, list(_chat(page, directory)), sent, mark)


def _forwarded(conn: Connection[Any], conversation: UUID) -> Iterator[ForwardedMail]:
    """Its mails, the latest first."""
    sent = mails.of_conversation(conn, conversation)
    returned = mails.returned(conn, [mail.id for mail in sent if "bounced" in mail.delivery.values()])
    for mail in sent:
        arrived: list[tuple[str, str, str]] = []
        for to in mail.to if mail.state == "sent" else ():
            fate = mail.delivery.get(to, "sent")
            why = phrases.mail_trouble(returned.get((mail.id, to.casefold()))) if fate == "bounced" else ""
            arrived.append((to, fate, why))
        yield ForwardedMail(mail, phrases.mail_trouble(mail.reason) if mail.state == "failed" else "", arrived)


def _chat(page: ConversationPage, directory: Directory) -> Iterator[ChatEntry]:
    """Messages and sentences in the order of their times, each day with its name."""
    said = [
        *(_item(item, directory) for item in page.transcript),
        *(each for event in page.history if (each := _event(event, directory)) is not None),
    ]
    day = None
    for each in sorted(said, key=lambda each: each.at):
        if (today := words().local(each.at).date()) != day:
            yield ChatEntry("day", each.at, words().day(each.at))
            day = today
        yield each


def _item(item: TranscriptItem, directory: Directory) -> ChatEntry:
    id_, sentence = str(item.id), phrases.done(directory, item)
    if sentence is not None:
        return ChatEntry("sentence", item.at, sentence, id=id_)
    picture, named = ("", "") if item.kind == "text" else phrases.media(item.kind)
    return ChatEntry(
        "message",
        item.at,
        item.text or "",
        id=id_,
        speaker=item.speaker,
        who=phrases.user_name(directory, item.agent_id or ""),
        picture=picture,
        named=named,
        status=item.status or "",
        edited=item.edited,
        deleted=item.deleted,
    )


def _event(event: HistoryEntry, directory: Directory) -> ChatEntry | None:
    sentence = phrases.happened(directory, event)
    if sentence is None:
        return None
    return ChatEntry("sentence", event.at, sentence, decides=event.event == "became_unmanaged")
