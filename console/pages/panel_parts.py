"""What an open panel asks for: what has changed in it, and earlier parts of a long conversation."""

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
from console.table.query import ListQuery
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry
from infra.postgres.lists.conversation_page import deleted_messages
from infra.postgres.lists.conversation_parts import conversation_part, entry_cursor
from infra.postgres.media import received
from infra.postgres.sending.sends import of_conversation


def panel_parts_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/changes`, `/conversations/ID/earlier`, `/conversations/ID/deleted`."""
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
        """What precedes the part that a page shows, or the beginning of the conversation."""
        before, after = entry_cursor(request.args.get("before")), entry_cursor(request.args.get("after"))
        first = "first" in request.args
        with deps.connection() as conn:
            may_read = gate.may_read(conn, id_)
            part = conversation_part(conn, id_, before=before, after=after, from_the_first=first) if may_read else None
            if part is None:
                abort(404)
            sent = of_conversation(conn, id_)
            files = shown_files(conn, part.transcript, sent, available=deps.files is not None)
            chat = chat_entries(part, deps.directory(conn), part.last if first else before, sent, files)
        return dialog("panel_earlier.html", part=part, chat=chat, before=before, after=after)

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
