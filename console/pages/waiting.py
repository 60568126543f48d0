"""*Waiting customers*: conversations that are queued, reserved, offered or in progress. They are not on the list of
unmanaged conversations; those that nobody accepted yet can be recalled and transferred to others here."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.live.watched_list import row_context
from console.pages import panel
from console.pages.download import download_list
from console.pages.unmanaged import keep
from console.request import person, target
from console.table.query import ROWS, ListQuery
from console.table.rows import render_rows
from infra.postgres.lists.cursor import END
from infra.postgres.lists.desk import MANY_WAIT, desk_counts, desk_page, waiting
from infra.postgres.lists.last_messages import with_last_answers, with_last_messages


def waiting_pages(deps: Dependencies) -> Blueprint:
    """`/waiting` and its download."""
    pages = Blueprint("waiting", __name__)

    @pages.get("/waiting")
    @gate.open_to("lists")
    def show() -> ResponseReturnValue:
        query = ListQuery.read(request.args)
        seen = query.seen_by(person())
        with deps.connection() as conn:
            if "keep" in request.args:
                return keep(conn, query, "waiting.show")
            directory = deps.directory(conn)
            if target() == "panel":
                return panel.render(deps, conn, directory, query, "waiting.show")
            found = desk_page(conn, query.desk_filter, seen.rows or ROWS[0], query.since or END)
            rows = with_last_answers(conn, with_last_messages(conn, found.rows))
            beside = panel.render(deps, conn, directory, query, "waiting.show") if query.open else ""
            counts = desk_counts(conn, query.desk_filter)
            waits = waiting(conn, query.within)
        return render_template(
            "waiting.html",
            query=query,
            seen=seen,
            choices=ROWS,
            table=render_rows(rows, directory, row_context(query, "waiting.show"), query.open),
            next=found.next and str(found.next),
            cut=found.cut,
            waiting=waits,
            counts=counts,
            most=MANY_WAIT,
            directory=directory,
            panel=beside,
            endpoint="waiting.show",
        )

    @pages.get("/waiting.<any(xlsx, csv):kind>")
    @gate.open_to("lists")
    def download(kind: str) -> ResponseReturnValue:
        return download_list(deps, ListQuery.read(request.args), kind, is_desk=True)

    return pages
