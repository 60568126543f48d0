"""The box in which an answer is written: who may write, what can be sent now, and what was typed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from flask import render_template
from psycopg import Connection

from console import gate, phrases
from console.commands import MESSAGE_HOLD_SECONDS, new_form
from console.dependencies import Dependencies
from console.request import person, target, translated, words
from domain.commands import Rejection, SendMessage
from domain.contract.texts import gettext_noop
from domain.conversations.conversation import Conversation
from domain.directory import Directory
from domain.messages.outgoing import MAX_BUTTONS, MAX_TEXT
from domain.sending.acceptance import RefusedSend, Writer, accept_send, may_finish
from infra.postgres.console import drafts
from infra.postgres.sending.library import StoredLibrary
from infra.postgres.sending.recipients import recipient_in

MAX_BODY_WITH_BUTTONS, MAX_TITLE = 1024, 20
PLACEHOLDER = re.compile(r"\{(name|agent|number)\}")
"""What a quick reply fills in, as far as it is known."""

Mode = Literal["off", "theirs", "template", "text"]
"""Whether the person can write: not at all, not because somebody else accepted the conversation, only a template
because the window is over, or anything."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed. `reply_to`: the wamid of the message that it quotes."""

    text: str = ""
    buttons: tuple[str, ...] = ("",) * MAX_BUTTONS
    reply_to: str = ""

    @classmethod
    def read(cls, form: Mapping[str, str]) -> "Typed":
        """What a form has. Browsers end lines with CR LF; messages have LF."""
        text = form.get("text", "").replace("\r\n", "\n")
        titles = tuple(form.get(f"button{n}", "").strip() for n in range(1, MAX_BUTTONS + 1))
        return cls(text, titles, form.get("reply_to", ""))

    def wrong(self) -> str:
        """What is wrong with it, as a sentence; empty: nothing."""
        titles = self.titles
        most = MAX_BODY_WITH_BUTTONS if titles else MAX_TEXT
        if not self.text.strip() or "\0" in self.text:
            return translated(gettext_noop("Write something first."))
        if len(self.text) > most:
            text = translated(gettext_noop("The text has %(n)s characters; at most %(most)s fit."))
            return text % {"n": words().number(len(self.text)), "most": words().number(most)}
        if missing := PLACEHOLDER.search(self.text):
            text = translated(gettext_noop("Replace %(placeholder)s first: what belongs there is not known."))
            return text % {"placeholder": missing[0]}
        if any(len(title) > MAX_TITLE for title in titles):
            return translated(gettext_noop("A button has at most 20 characters."))
        if len(set(titles)) != len(titles):
            return translated(gettext_noop("Two buttons are the same."))
        return ""

    @property
    def titles(self) -> list[str]:
        return [title for title in self.buttons if title]

    def message(self) -> dict[str, Any]:
        """The message of a `send` command; only for what is not wrong."""
        if not self.titles:
            return {"text": {"body": self.text.strip()}}
        buttons = [{"id": str(n), "title": title} for n, title in enumerate(self.titles, 1)]
        return {"interactive": {"type": "button", "body": self.text.strip(), "buttons": buttons}}


@dataclass(frozen=True, slots=True)
class AnswerBox:
    """The box of a conversation. `form`: its token; `expected_last`: the customer's last message as the page shows it;
    `writer`: who accepted the conversation, if somebody else did; `left`: drafts of people who had the conversation
    before, each with their name; `error`: why the message was not sent."""

    conversation: Conversation
    mode: Mode
    form: str
    expected_last: str
    writer: str
    left: Sequence[tuple[str, str]] = ()
    typed: Typed = field(default_factory=Typed)
    error: str = ""


def answer_box(
    deps: Dependencies, conn: Connection[Any], conversation: Conversation, directory: Directory
) -> AnswerBox:
    """The box with the person's draft."""
    owner = conversation.owner
    last = conversation.evidence.last_turn
    mode = box_mode(deps, conn, conversation)
    return AnswerBox(
        conversation,
        mode,
        new_form(),
        str(last.fact) if last else "",
        phrases.owner_name(directory, owner.kind, owner.id) if owner is not None and mode == "theirs" else "",
        _left_behind(conn, conversation, directory) if mode in ("text", "template") else (),
        Typed(drafts.draft(conn, conversation.id, person().name) if mode in ("text", "template") else ""),
    )


def box_mode(deps: Dependencies, conn: Connection[Any], conversation: Conversation) -> Mode:
    """What the person can write in a conversation."""
    owner = conversation.owner
    if not may_see_box(deps, conn, conversation):
        return "off"
    if owner is not None and owner.state == "accepted" and owner.id != person().name:
        return "theirs"
    return "text" if _has_window(conn, conversation) else "template"


def _left_behind(conn: Connection[Any], conversation: Conversation, directory: Directory) -> Sequence[tuple[str, str]]:
    found = drafts.of_others(conn, conversation.id, person().name)
    return [(phrases.user_name(directory, name), text) for name, text in found]


def may_see_box(deps: Dependencies, conn: Connection[Any], conversation: Conversation) -> bool:
    """Whether the person may answer this conversation at some time: administrators every one, supervisors what they
    supervise, agents their own, and with a template those whose window ended while they had them."""
    if not deps.sending.enabled or person().level == "read_only":
        return False
    if gate.within_reach(conn, [conversation.id]):
        return True
    owner = conversation.owner
    owns = owner is not None and owner.state == "accepted" and owner.id == person().name
    return owns or (may_finish(conversation, person().name, words().now) and not _has_window(conn, conversation))


def _has_window(conn: Connection[Any], conversation: Conversation) -> bool:
    return recipient_in(conn, conversation).has_window(words().now)


def with_typed(box: AnswerBox, typed: Typed, error: str = "", form: str | None = None) -> AnswerBox:
    """The box with what was typed, and why it was not sent."""
    return replace(box, typed=typed, error=error, form=form or box.form)


def render_box(box: AnswerBox) -> str:
    """The box as HTML, for the page that is open or as a page of its own."""
    return render_template("answer.html", box=box, whole_page=target() is None)


def send_command(conversation: UUID, message: Mapping[str, Any], **more: str) -> dict[str, Any]:
    """The fields of a `send` command. `more`: `reply_to` and `expected_last`, which may be empty."""
    named = {name: value for name, value in more.items() if value}
    return {"conversation_id": conversation, "message": message, "hold_seconds": MESSAGE_HOLD_SECONDS, **named}


def refusal(
    deps: Dependencies, conn: Connection[Any], conversation: Conversation, command: SendMessage, directory: Directory
) -> Rejection | None:
    """Why a `send` command would be rejected now; None: it would not. Asked before, so that nothing that was typed has
    to be written again."""
    writer = Writer(person().name, person().name in directory.users)
    to = recipient_in(conn, conversation)
    found = accept_send(command, "", to, writer, deps.sending, StoredLibrary(conn), words().now, b"")
    return found.rejection if isinstance(found, RefusedSend) else None


def refusal_text(rejection: Rejection) -> str:
    """Why a message was not sent, as a sentence."""
    if rejection is Rejection.CUSTOMER_WROTE_MEANWHILE:
        return translated(gettext_noop("The customer wrote again meanwhile: read it, then send again."))
    text = phrases.rejection(rejection)
    return f"{text[:1].upper()}{text[1:]}."
