"""The customers who wait: queued for a skillset, reserved, or offered to somebody who has not accepted. They are not
among the unmanaged, and can be recalled here."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from console import panel
from console.http import person, target
from console.parts import Parts
from console.query import Query
from console.rows import drawn
from console.watch import frame
from infra.postgres.cursor import START
from infra.postgres.desk_queries import Which, desk_page, waiting


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
