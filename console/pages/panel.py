"""The panel beside the list with one conversation (manual facts S11, S12, S13): messages, mail form, info."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from flask import render_template
from psycopg import Connection

from console import phrases
from console.commands import new_form
from console.dependencies import Dependencies
from console.messages import shown_message
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
    """One entry of the chat: a new `day`, a `message`, or a `sentence` about an event. `media`: the name of a kind of
    message that is not text, `icon`: its icon; `who`: the agent."""

    kind: Literal["day", "message", "sentence"]
    at: datetime
    text: str
    id: str = ""
    speaker: str = ""
    who: str = ""
    icon: str = ""
    media: str = ""
    status: str = ""
    edited: bool = False
    deleted: bool = False
    decides: bool = False


class RecipientDelivery(NamedTuple):
    """What became of a mail at one recipient. `why`: why it bounced or was not sent."""

    to: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class ForwardedMail:
    """A mail about the conversation. `why`: why it failed."""

    mail: Mail
    why: str
    deliveries: Sequence[RecipientDelivery]


@dataclass(frozen=True, slots=True)
class Panel:
    """What the panel shows. `mark` changes whenever that does."""

    page: ConversationPage
    line: RowView
    chat: Sequence[ChatEntry]
    mails: Sequence[ForwardedMail]
    mark: str


def render(
    deps: Dependencies, conn: Connection[Any], directory: Directory, query: ListQuery, endpoint: str, **more: object
) -> str:
    """The panel of the open conversation as HTML; empty if none is open. `more`: values of its mail form."""
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
        mailing=deps.mailing,
        form=more.pop("form", None) or new_form(),
        typed=more.pop("typed", {}),
        masked=more.pop("masked", deps.mailing.policy.mask if deps.mailing else False),
        **more,
    )


def look(conn: Connection[Any], directory: Directory, query: ListQuery) -> Panel | None:
    """The open conversation; None if none is open or it does not exist."""
    if query.open is None:
        return None
    mark = marks(conn, [query.open]).get(query.open)  # first: a change during the other reads is noticed
    page = conversation_page(conn, query.open)
    if page is None or mark is None:
        return None
    sent = list(_forwarded(conn, page.conversation.id))
    row = row_view(page.conversation, directory)
    return Panel(page, row, list(_chat(page, directory)), sent, mark)


def _forwarded(conn: Connection[Any], conversation: UUID) -> Iterator[ForwardedMail]:
    """The mails about a conversation, the latest first."""
    sent = mails.of_conversation(conn, conversation)
    returned = mails.returned(conn, [mail.id for mail in sent if mail.delivery])
    for mail in sent:
        deliveries = []
        for to in mail.to if mail.state == "sent" else ():
            state = mail.reported(to) or "sent"
            has_reason = state in ("bounced", "suppressed")
            why = phrases.mail_trouble(returned.get((mail.id, to.casefold()))) if has_reason else ""
            deliveries.append(RecipientDelivery(to, state, why))
        yield ForwardedMail(mail, phrases.mail_trouble(mail.reason) if mail.state == "failed" else "", deliveries)


def _chat(page: ConversationPage, directory: Directory) -> Iterator[ChatEntry]:
    """Messages and sentences by time, each day preceded by its date."""
    entries = [
        *(_item(item, directory) for item in page.transcript),
        *(each for event in page.history if (each := _event(event, directory)) is not None),
    ]
    day = None
    for each in sorted(entries, key=lambda each: each.at):
        if (today := words().local(each.at).date()) != day:
            yield ChatEntry("day", each.at, words().day(each.at))
            day = today
        yield each


def _item(item: TranscriptItem, directory: Directory) -> ChatEntry:
    id_, sentence = str(item.id), phrases.transcript_sentence(directory, item)
    if sentence is not None:
        return ChatEntry("sentence", item.at, sentence, id=id_)
    said = shown_message(item.kind, item.text, {})
    return ChatEntry(
        "message",
        item.at,
        said.text,
        id=id_,
        speaker=item.speaker,
        who=phrases.user_name(directory, item.agent_id or ""),
        icon=said.icon,
        media=said.name,
        status=item.status or "",
        edited=item.edited,
        deleted=item.deleted,
    )


def _event(event: HistoryEntry, directory: Directory) -> ChatEntry | None:
    sentence = phrases.history_sentence(directory, event)
    if sentence is None:
        return None
    return ChatEntry("sentence", event.at, sentence, decides=event.event == "became_unmanaged")
