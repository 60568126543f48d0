"""An open dialog about a conversation: it says at once when the conversation changes under it, and tells others that it
is open, and when it is closed."""

from uuid import NAMESPACE_OID, UUID, uuid5

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.kept.around import DIALOGS, others_at
from console.phrases import actor_name
from console.request import person
from console.table.rows import row_view
from infra.postgres.kept import viewers
from infra.postgres.kept.viewers import Viewing
from infra.postgres.lists import console as console_list
from infra.postgres.lists.conversation_page import last_actor


def dialog_pages(deps: Dependencies) -> Blueprint:
    """`/conversations/ID/dialog`."""
    pages = Blueprint("open_dialogs", __name__, url_prefix="/conversations/<uuid:id_>")

    @pages.get("/dialog")
    @gate.open_to("actions")
    def look(id_: UUID) -> ResponseReturnValue:
        """What has changed since the dialog showed the conversation, and who else is about to do something. `closed`:
        it is not open any more."""
        kind, version = request.args.get("kind", ""), request.args.get("version", type=int)
        page = uuid5(NAMESPACE_OID, f"{person().name} {id_} dialog")
        if "closed" in request.args:
            with deps.connection() as conn:
                viewers.tell(conn, {}, [page])
            return "", 204
        with deps.connection() as conn:
            directory = deps.directory(conn)
            row = console_list.by_ids(conn, [id_]).get(id_)
            if row is None:
                return "", 204
            viewers.tell(conn, {page: Viewing(id_, person().name, kind if kind in DIALOGS else None)})
            others = others_at(conn, id_)
            actor = last_actor(conn, id_) if row.version != version else None
        return render_template(
            "dialog_state.html",
            line=row_view(row, directory),
            changed=row.version != version,
            actor=actor and actor_name(directory, actor),
            others=others,
        )

    return pages
