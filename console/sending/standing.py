"""How sending stands: messages that Meta did not confirm, with what is known of each, and the business numbers."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.request import translated
from console.sending.bubbles import Bubble, bubble, state_words
from domain.contract.send_help import pause_help_key
from domain.contract.texts import SEND_HELP_TEXTS, gettext_noop
from domain.directory import TextKind
from domain.sending.number_texts import spoken
from domain.sending.sends import Send
from domain.sending.templates import Template, preview
from domain.sending.unknown import Silence
from infra.postgres.lists.cursor import START, Cursor, CursorError
from infra.postgres.sending import sends
from infra.postgres.sending.accounts import accounts, numbers
from infra.postgres.sending.library import templates
from infra.postgres.sending.sends import SendLogEntry
from infra.postgres.sending.unknown import silences

_ROWS = 50
_KINDS: Mapping[TextKind, str] = {
    "greeting": gettext_noop("Greeting"),
    "wrong_choice": gettext_noop("Wrong choice"),
    "out_of_hours": gettext_noop("Out of hours"),
}


class UnknownMessage(NamedTuple):
    """A message that Meta did not confirm. `posts`: how each attempt ended, `statuses`: what Meta reported since,
    `silence`: up to when reports were looked at."""

    send: Send
    bubble: Bubble
    posts: Sequence[SendLogEntry]
    statuses: Sequence[SendLogEntry]
    silence: Silence | None


def standing_pages(deps: Dependencies) -> Blueprint:
    """`/messages/unknown`, `/numbers`."""
    pages = Blueprint("sending", __name__)

    @pages.get("/messages/unknown")
    @gate.open_to("overview")
    def unknown() -> ResponseReturnValue:
        with deps.connection() as conn:
            directory = deps.directory(conn)
            page = sends.page(conn, _ROWS, _cursor(request.args.get("after")), ["unknown"])
            log = sends.logs(conn, [send.id for send in page.sends])
            silence = silences(conn, deps.inbound_topic, page.sends)
        found = [
            UnknownMessage(
                send,
                bubble(send),
                [entry for entry in log[send.id] if entry.actor == "sender"],
                [entry for entry in log[send.id] if entry.actor == "meta"],
                silence.get(send.id),
            )
            for send in page.sends
        ]
        return render_template(
            "unknown_messages.html", found=found, next=page.next, directory=directory, state_words=state_words
        )

    @pages.get("/numbers")
    @gate.open_to("overview")
    def show_numbers() -> ResponseReturnValue:
        with deps.connection() as conn:
            directory = deps.directory(conn)
            known = {each.account_id: each for each in accounts(conn)}
            of_account: dict[str, list[Template]] = {}
            for template in templates(conn):
                of_account.setdefault(template.account_id, []).append(template)
            found = numbers(conn)
        return render_template(
            "numbers.html",
            numbers=found,
            accounts=known,
            templates=of_account,
            preview=preview,
            help=_pause_help,
            directory=directory,
            texts={
                each.phone_number_id: [
                    (translated(_KINDS[kind]), text)
                    for kind, text in spoken(directory.number(each.phone_number_id), directory).items()
                ]
                for each in found
            },
            enabled=deps.sending.enabled,
        )

    return pages


def _pause_help(reason: str | None) -> str:
    """What helps a number that is paused, a sentence, or empty."""
    key = pause_help_key(reason)
    return translated(SEND_HELP_TEXTS[key]) if key is not None else ""


def _cursor(text: str | None) -> Cursor:
    try:
        return Cursor.parse(text) if text else START
    except CursorError:
        return START
