"""What an open panel asks for: what has changed in it, earlier parts of a long conversation, and where words are."""

from dataclasses import replace
from uuid import UUID

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.media.shown import shown_files
from console.messages import shown_message
from console.pages import panel
from console.pages.chat import chat_entries, summary_of
from console.request import address, dialog, person
from console.table.query import ListQuery, cleaned
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry
from infra.postgres.lists.conversation_page import deleted_messages
from infra.postgres.lists.conversation_parts import FIRST, conversation_part, entry_cursor
from infra.postgres.media import received
from infra.postgres.sending.sends import of_conversation
from infra.postgres.words.matching import MOST_FOUND, found_in


def panel_parts_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/` and `changes`, `earlier`, `find`, `deleted`."""
    pages = Blueprint("panel_parts", __name__, url_prefix="/conversations/<uuid:id_>")

    @pages.get("/changes")
    @gate.open_to("lists")
    def changes(id_: UUID) -> ResponseReturnValue:
        """The parts of the panel, if it has changed since the page got it."""
        query = replace(ListQuery.read(request.args), open=id_)
        with deps.connection() as conn:
            directory = deps.directory(conn)
            found = panel.look(deps, conn, directory, query, entry_cursor(request.args.get("since")))
        if found is None or found.mark == request.args.get("seen"):
            return "", 204
        return render_template(
            "panel_changes.html", panel=found, directory=directory, query=query, summary_of=summary_of
        )

    @pages.get("/earlier")
    @gate.open_to("messages")
    def earlier(id_: UUID) -> ResponseReturnValue:
        """What precedes the part that a page shows: the last of it, its beginning, or what lies around a message."""
        before, after, around = (entry_cursor(request.args.get(name)) for name in ("before", "after", "around"))
        around = FIRST if "first" in request.args else around
        with deps.connection() as conn:
            may_read = gate.may_read(conn, id_)
            part = conversation_part(conn, id_, before=before, after=after, around=around) if may_read else None
            if part is None:
                abort(404)
            sent = of_conversation(conn, id_)
            files = shown_files(conn, part.transcript, sent, available=deps.files is not None)
            chat = chat_entries(part, deps.directory(conn), sent, files)
        return dialog("panel_earlier.html", part=part, chat=chat)

    @pages.get("/find")
    @gate.open_to("messages")
    def find(id_: UUID) -> ResponseReturnValue:
        """The messages in which words are, also of parts that the page does not show."""
        typed = cleaned(request.args.get("q"))
        with deps.connection() as conn:
            if not gate.may_read(conn, id_):
                abort(404)
            found = found_in(conn, id_, typed.split()) if typed else []
        return dialog("find.html", id_=id_, typed=typed, found=found[-MOST_FOUND:], more=len(found) > MOST_FOUND)

    @pages.post("/deleted")
    def deleted(id_: UUID) -> ResponseReturnValue:
        """What the customer deleted. Pages are for administrators only; that one opened this is audited first."""
        with deps.connection() as conn:
            found = deleted_messages(conn, id_)
            if found is None:
                abort(404)
            audit.write(conn, [AuditEntry("deleted_opened", person().name, address(), id_)])
            files = received.of_messages(conn, [item.id for item in found]) if deps.files is not None else {}
        saved = {id_ for id_, file in files.items() if file.state == "stored"}
        messages = [(item, shown_message(item.kind, item.text, item.extra), item.id in saved) for item in found]
        back = url_for("unmanaged.show", open=id_)
        return dialog("deleted.html", messages=messages, back=back)

    return pages
