"""The customers who wait: queued for a skillset, reserved, or offered to somebody who has not accepted. They are not
among the unmanaged, and can be recalled here."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from console.dependencies import Parts
from console.live.watch import frame
from console.pages import panel
from console.request import person, target
from console.table.query import Query
from console.table.rows import drawn
from infra.postgres.lists.cursor import START
from infra.postgres.lists.desk import Which, desk_page, waiting


def waiting_pages(parts: Parts) -> Blueprint:
    """`/waiting`."""
    pages = Blueprint("waiting", __name__)

    @pages.get("/waiting")
    def show() -> ResponseReturnValue:
        query = Query.read(request.args)
        with parts.connection() as conn:
            directory = parts.directory(conn)
            if target() == "panel":
                return panel.render(parts, conn, directory, query, "waiting.show")
            found = desk_page(conn, Which(query.desk), query.rows or person().page_rows, query.since or START)
            beside = panel.render(parts, conn, directory, query, "waiting.show") if query.open else ""
            count = waiting(conn)
        return render_template(
            "waiting.html",
            query=query,
            table=drawn(found.rows, directory, frame(query, "waiting.show"), query.open),
            next=found.next and str(found.next),
            waiting=count,
            directory=directory,
            panel=beside,
            endpoint="waiting.show",
        )

    return pages
