"""*Unmanaged conversations* (manual facts S2, S5, S6, S7): the list, kept current, and taken home."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from admin import panel, spreadsheet
from admin.http import address, person, target, words
from admin.parts import Parts
from admin.query import ROWS, Query, cursor
from admin.rows import Line, line
from domain.conversation import Status
from domain.directory import Directory
from domain.reasons import Reason
from infra.postgres import console_audit, console_list, sign_ins
from infra.postgres.console_audit import Deed
from infra.postgres.cursor import Cursor
from infra.postgres.desk_queries import waiting
from infra.postgres.list_queries import Filter, Listed, counts

MAX_NEW = 100
"""More new ones are announced as "more than"."""


@dataclass(frozen=True, slots=True)
class View:
    """What the list shows. `newest`: where the list began when it was read, so that new ones can be told."""

    lines: Sequence[Line]
    page: console_list.Page
    counts: dict[Status, int]
    waiting: int
    newest: Cursor


def unmanaged_pages(parts: Parts) -> Blueprint:
    """`/unmanaged` and what belongs to it."""
    pages = Blueprint("unmanaged", __name__)

    @pages.get("/")
    def home() -> ResponseReturnValue:
        return redirect(url_for("unmanaged.show"), 303)

    @pages.get("/unmanaged")
    def show() -> ResponseReturnValue:
        query = Query.read(request.args)
        with parts.connection() as conn:
            directory = parts.directory(conn)
            if target() == "panel":
                return panel.render(parts, conn, directory, query, "unmanaged.show")
            if query.rows and query.rows != person().page_rows:
                sign_ins.prefer_rows(conn, person().name, query.rows)
            view = _view(conn, directory, query)
            beside = panel.render(parts, conn, directory, query, "unmanaged.show") if query.open else ""
        return render_template(
            "unmanaged.html",
            query=query,
            view=view,
            directory=directory,
            rows=query.rows or person().page_rows,
            choices=ROWS,
            reasons=list(Reason),
            panel=beside,
            endpoint="unmanaged.show",
        )

    @pages.get("/unmanaged/changes")
    def changes() -> ResponseReturnValue:
        """What is no longer as the page shows it: rows in their places, and how many new ones there are."""
        query = Query.read(request.args)
        shown = _shown(request.args.get("seen", ""))
        with parts.connection() as conn:
            directory = parts.directory(conn)
            now = console_list.by_ids(conn, list(shown))
            lines = [line(row, directory) for row in now.values()]
            since = cursor(request.args.get("newest"))
            newer = console_list.newer(conn, query.wanted, since, MAX_NEW + len(shown) + 1)
            totals = _counts(conn, query)
            wait = waiting(conn)
        return render_template(
            "changes.html",
            query=query,
            lines=[each for each in lines if each.seen != shown[each.of.id]],
            new=len(set(newer) - shown.keys()),
            most=MAX_NEW,
            moved=_moved(request.args.get("total"), sum(totals.values()), lines),
            counts=totals,
            waiting=wait,
            endpoint="unmanaged.show",
        )

    @pages.get("/unmanaged.<any(xlsx, csv):kind>")
    def download(kind: str) -> ResponseReturnValue:
        query = Query.read(request.args)
        with parts.connection() as conn:
            directory = parts.directory(conn)
            lines = (line(row, directory) for row in _all(conn, query))
            content = spreadsheet.xlsx(lines, directory) if kind == "xlsx" else spreadsheet.csv(lines, directory)
            deed = Deed("downloaded", person().name, address(), detail={"kind": kind, **_plain(query)})
            console_audit.write(conn, [deed])
        name = f"unmanaged-{words().local(words().now):%Y-%m-%d}.{kind}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, content_type=spreadsheet.TYPES[kind], headers=headers)

    return pages


def _view(conn: Connection[Any], directory: Directory, query: Query) -> View:
    found = console_list.page(
        conn, query.wanted, query.rows or person().page_rows, after=query.after, before=query.before
    )
    newest = found
    if query.order != "newest" or query.after or query.before:
        newest = console_list.page(conn, query.newest, 1)
    top = newest.rows[0] if newest.rows else None
    return View(
        [line(row, directory) for row in found.rows],
        found,
        _counts(conn, query),
        waiting(conn),
        Cursor(top.last_at, top.id) if top else console_list.END,
    )


def _counts(conn: Connection[Any], query: Query) -> dict[Status, int]:
    return counts(conn, Filter(reason=query.reason, number=query.number))


def _all(conn: Connection[Any], query: Query) -> Sequence[Listed]:
    """The list from its beginning, as far as a download reaches."""
    rows: list[Listed] = []
    place: console_list.Place | None = None
    while len(rows) < spreadsheet.MAX_ROWS:
        found = console_list.page(conn, query.wanted, 1000, after=place)
        rows += found.rows
        place = found.after
        if place is None:
            break
    return rows


def _plain(query: Query) -> dict[str, object]:
    return {name: str(value) for name, value in query.args().items() if name != "q"}


def _shown(seen: str) -> dict[UUID, str]:
    """What the browser has: by conversation the mark of its row."""
    found: dict[UUID, str] = {}
    for mark in seen.split(",")[: max(ROWS)]:
        try:
            found[UUID(mark.partition(".")[0])] = mark
        except ValueError:
            continue
    return found


def _moved(total: str | None, now: int, shown: Sequence[Line]) -> bool:
    """Whether the list has changed otherwise than by the rows that the page shows to have left it."""
    left = sum(line.state == "gone" for line in shown)
    return total is not None and total.isdecimal() and int(total) - left != now
