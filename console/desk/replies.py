"""`/desk/replies`, *Waiting for a reply*: customers who were answered and wrote again, those who wait longest first.
Agents see their own, supervisors those that they supervise, others all."""

from typing import NamedTuple

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.levels import ADMITTED
from console.phrases import owner_name
from console.request import person, supervision, translated
from console.table.rows import RowView, row_view
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from infra.postgres.lists.cursor import Cursor, CursorError
from infra.postgres.lists.last_messages import with_last_messages
from infra.postgres.lists.unmanaged import ListedConversation
from infra.postgres.lists.waiting_for_reply import LONGEST, ReplyFilter, waiting_for_reply


class WaitingRow(NamedTuple):
    """A row of the list. `has`: the name of who has the conversation, if anybody does."""

    line: RowView
    has: str


def reply_pages(deps: Dependencies) -> Blueprint:
    """`/desk/replies`."""
    pages = Blueprint("replies", __name__, url_prefix="/desk/replies")

    @pages.get("")
    @gate.open_to("messages")
    def show() -> ResponseReturnValue:
        number = request.args.get("number") or None
        of_all = person().level in ADMITTED["lists"]
        which = ReplyFilter(number, None if of_all else person().name, supervision())
        with deps.connection() as conn:
            directory = deps.directory(conn)
            found = waiting_for_reply(conn, which, person().page_rows, _cursor(request.args.get("after")))
            rows = [_row(each, directory) for each in with_last_messages(conn, found.rows)]
        return render_template(
            "desk_replies.html",
            rows=rows,
            next=found.next and str(found.next),
            number=number,
            of_all=of_all,
            directory=directory,
        )

    return pages


def _row(of: ListedConversation, directory: Directory) -> WaitingRow:
    owner = of.owner
    name = owner_name(directory, owner.kind, owner.id) if owner else translated(gettext_noop("nobody"))
    return WaitingRow(row_view(of, directory), name)


def _cursor(text: str | None) -> Cursor:
    try:
        return Cursor.parse(text) if text else LONGEST
    except CursorError:
        abort(400)
