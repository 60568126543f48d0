"""Quick replies for a conversation: texts that a slash inserts, with what is known filled in."""

from collections.abc import Mapping
from uuid import UUID

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.request import person
from console.sending.answers import writable
from console.sending.box import PLACEHOLDER
from domain.contract.row import visible_name
from infra.postgres.console.choices import quick_replies_for


def quick_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/quick-replies`."""
    pages = Blueprint("quick", __name__)

    @pages.get("/conversations/<uuid:id_>/quick-replies")
    @gate.open_to("signed_in")
    def show(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            directory = deps.directory(conn)
            conversation = writable(deps, conn, id_)
            me = directory.users.get(person().name)
            number = conversation.phone_number_id
            found = quick_replies_for(conn, person().name, me.skillsets if me else (), number)
        known = {
            "name": visible_name(conversation) or "",
            "agent": me.name if me else person().shown_name,
            "number": directory.number(number).name or "",
        }
        filled = [(reply, _filled(reply.text, known)) for reply in found]
        return render_template("quick_replies.html", replies=filled, directory=directory)

    return pages


def _filled(text: str, known: Mapping[str, str]) -> str:
    """The text with what is known. A placeholder without a value stays, so that nobody greets an empty name."""
    return PLACEHOLDER.sub(lambda found: known[found[1]] or found[0], text)
