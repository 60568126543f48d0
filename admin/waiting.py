"""The customers who wait: queued for a skillset, reserved, or offered to somebody who has not accepted. They are not
among the unmanaged, and can be recalled here."""

from typing import cast, get_args

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from admin import panel
from admin.http import person, target
from admin.parts import Parts
from admin.query import ROWS, Query, cursor
from admin.rows import line
from infra.postgres.cursor import START
from infra.postgres.desk_queries import DeskState, Which, desk_page, waiting


def waiting_pages(parts: Parts) -> Blueprint:
    """`/waiting`."""
    pages = Blueprint("waiting", __name__)

    @pages.get("/waiting")
    def show() -> ResponseReturnValue:
        query = Query.read(request.args)
        given = request.args.get("state", "waiting")
        state = cast(DeskState, given) if given in get_args(DeskState) else "waiting"
        after = cursor(request.args.get("from"))
        with parts.connection() as conn:
            directory = parts.directory(conn)
            if target() == "panel":
                return panel.render(parts, conn, directory, query, "waiting.show")
            found = desk_page(conn, Which(state, query.number), query.rows or person().page_rows, after)
            beside = panel.render(parts, conn, directory, query, "waiting.show") if query.open else ""
            count = waiting(conn)
        return render_template(
            "waiting.html",
            query=query,
            state=state,
            lines=[line(row, directory) for row in found.rows],
            next=found.next and str(found.next),
            first=after == START,
            waiting=count,
            directory=directory,
            rows=query.rows or person().page_rows,
            choices=ROWS,
            panel=beside,
            endpoint="waiting.show",
        )

    return pages
