"""The panel beside the list with one conversation (manual facts S11, S12, S13): messages, mail form, info."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from flask import render_template
from psycopg import Connection

from console import gate, phrases
from console.commands import new_form
from console.dependencies import Dependencies
from console.kept.around import KeptAround, kept_around
from console.media.shown import shown_files
from console.pages import mail_form
from console.pages.chat import ChatEntry, chat_entries, summary_of
from console.pages.deferred.on_reply import Promised, promised_of
from console.request import supervision
from console.sending.box import AnswerBox, answer_box
from console.table.query import ListQuery
from console.table.rows import RowView, row_view
from domain.conversations.reading.transcript import TranscriptItem
from domain.directory import Directory
from domain.mail import Mail
from infra.postgres import mails
from infra.postgres.campaigns.answers import answered_in
from infra.postgres.lists.conversation_page import marks
from infra.postgres.lists.conversation_parts import ConversationPart, EntryCursor, conversation_part, place_of
from infra.postgres.lists.own import earlier_conversations
from infra.postgres.lists.unmanaged import ListedConversation
from infra.postgres.sending.sends import of_conversation

EARLIER = 10
"""Earlier conversations that the panel shows at most."""


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
    """What the panel shows. `at`: the message at which it opens; `around`: the part with that message and its entries,
    where the newest part does not have it. `decided`: the messages and events that decided the reason, by id; `mark`
    changes whenever the panel does; `promised`: to whom the customer's answer is promised; None: to nobody;
    `campaigns`: id and name of those that the customer answered here; `earlier`: the customer's other
    conversations."""

    part: ConversationPart
    line: RowView
    chat: Sequence[ChatEntry]
    decided: Mapping[UUID, TranscriptItem]
    mails: Sequence[ForwardedMail]
    box: AnswerBox
    promised: Promised | None
    campaigns: Sequence[tuple[UUID, str]]
    kept: KeptAround
    earlier: Sequence[ListedConversation]
    mark: str
    at: UUID | None
    around: tuple[ConversationPart, Sequence[ChatEntry]] | None


def render(
    deps: Dependencies, conn: Connection[Any], directory: Directory, query: ListQuery, endpoint: str, **more: object
) -> str:
    """The panel of the open conversation as HTML; empty if none is open. `more`: values of its mail form."""
    may_read = query.open is None or supervision() is None or gate.may_read(conn, query.open)
    panel = look(deps, conn, directory, query) if may_read else None
    if query.open is not None and panel is None:
        return render_template("panel_unknown.html", query=query, endpoint=endpoint)
    if panel is None:
        return ""
    suggestion = mail_form.suggested(panel.part.conversation, directory)
    return render_template(
        "panel.html",
        query=query,
        panel=panel,
        summary_of=summary_of,
        directory=directory,
        endpoint=endpoint,
        mailing=deps.mailing,
        form=more.pop("form", None) or new_form(),
        typed=more.pop("typed", {"subject": suggestion}),
        suggestion=suggestion,
        masked=more.pop("masked", deps.mailing.policy.mask if deps.mailing else False),
        **more,
    )


def look(
    deps: Dependencies, conn: Connection[Any], directory: Directory, query: ListQuery, since: EntryCursor | None = None
) -> Panel | None:
    """The open conversation with its newest part, or with everything from `since` on; None if none is open or it does
    not exist."""
    if query.open is None:
        return None
    mark = marks(conn, [query.open]).get(query.open)  # first: a change during the other reads is noticed
    part = conversation_part(conn, query.open, since=since)
    if part is None or mark is None:
        return None
    place = place_of(conn, query.open, query.message) if query.message and not since else None
    around = None
    if place is not None and part.rest and part.first is not None and place < part.first:
        around = conversation_part(conn, query.open, before=part.first, around=place)
    sent = list(_forwarded(conn, part.conversation.id))
    sends = of_conversation(conn, part.conversation.id)
    read = [*part.transcript, *(around.transcript if around else ())]
    files = shown_files(conn, read, sends, available=deps.files is not None)
    promised = promised_of(conn, directory, part.conversation.id)
    decided: dict[UUID, TranscriptItem] = {
        item.id: item for item in (*part.named, *part.transcript) if item.id in part.conversation.because
    }
    box = answer_box(deps, conn, part.conversation, directory)
    return Panel(
        part,
        row_view(part.conversation, directory),
        chat_entries(part, directory, sends, files),
        decided,
        sent,
        box,
        promised,
        answered_in(conn, [part.conversation.id]).get(part.conversation.id, []),
        kept_around(conn, part.conversation.id),
        _earlier(conn, part.conversation.id),
        f"{mark}.{box.mode}",  # a window ends without a change of the conversation
        query.message if place else None,
        (around, chat_entries(around, directory, sends, files)) if around else None,
    )


def _earlier(conn: Connection[Any], conversation: UUID) -> Sequence[ListedConversation]:
    """The customer's other conversations, of which a supervisor sees those that they may read."""
    found = earlier_conversations(conn, conversation, EARLIER)
    if supervision() is None:
        return found
    readable = gate.readable_among(conn, [each.id for each in found])
    return [each for each in found if each.id in readable]


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
