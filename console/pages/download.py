"""The download of the list: its file, the name of the file, and what the file says about itself."""

import re
from collections.abc import Generator, Iterator
from functools import partial
from time import monotonic
from typing import Any

import psycopg
import structlog
from flask import Flask, Response, current_app, g, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import phrases
from console.dependencies import Dependencies
from console.downloads import TooManyDownloads, disposition
from console.request import address, follow_with, keep_page, person, target, translated, words
from console.table.query import ListQuery
from console.table.spreadsheet import MAX_ROWS, TYPES, spreadsheet
from console.words import Words
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry
from infra.postgres.kept.tags import with_notes
from infra.postgres.lists.console import ConsolePage, pages
from infra.postgres.lists.desk import DeskPage, every_desk_page
from infra.postgres.lists.unmanaged import ListedConversation

_ROWS_AT_ONCE = 1000
_RETRY_AFTER_SECONDS = 30
LONGEST_SECONDS = 600.0
"""A file is ended after this time, because it holds a snapshot of the database."""
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")

log = structlog.get_logger()


def download_list(deps: Dependencies, query: ListQuery, kind: str, *, is_desk: bool = False) -> ResponseReturnValue:
    """The response with the list, or with that of waiting customers (`is_desk`), as a file of a kind of `TYPES`: 429 if
    the person has a download already, 503 if too many people have."""
    if request.method == "HEAD":
        return Response(b"", content_type=TYPES[kind])
    try:
        download = deps.downloads.take(person().name)
    except TooManyDownloads as error:
        page = render_template("refused.html", why="downloads", own=error.own, whole_page=target() is None)
        headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
        return keep_page(Response(page, 429 if error.own else 503, headers))
    with deps.connection() as conn:
        directory = deps.directory(conn)
        detail: dict[str, object] = {"kind": kind, **_audited(query)}
        audit.write(conn, [AuditEntry("downloaded", person().name, address(), detail=detail)])
    filters = _desk_filters(query, directory) if is_desk else _filters(query, directory)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the file outlives the request
    file = partial(_file, app, _Rows(deps, query, is_desk), kind, _title(filters, is_desk), words(), directory)
    follow_with(partial(deps.downloads.stream, download, file))
    name = "-".join(["waiting" if is_desk else "unmanaged", f"{words().local(words().now):%Y-%m-%d-%H%M}", *filters])
    name = _NOT_IN_NAMES.sub("-", name)[:100].strip("-")
    headers = {"Content-Disposition": disposition(f"{name}.{kind}"), "X-Accel-Buffering": "no"}
    return Response(b"", content_type=TYPES[kind], headers=headers)


def _filters(query: ListQuery, directory: Directory) -> list[str]:
    """What the list was filtered by, in words."""
    which = query.filter
    status = {
        "active": gettext_noop("Active"),
        "closed": gettext_noop("Closed"),
        "dismissed": gettext_noop("Dismissed"),
    }.get(query.status or "")
    number = query.number and (directory.number(query.number).name or query.number)
    answers = which.campaign and translated(gettext_noop("Only answers to the campaign"))
    found = (status and translated(status), phrases.reason_short(which.reason), number, answers, which.tag, query.q)
    return [each for each in found if each]


def _desk_filters(query: ListQuery, directory: Directory) -> list[str]:
    states = {
        "waiting": gettext_noop("Queued or reserved"),
        "assigned": gettext_noop("Offered or accepted"),
        "managed": gettext_noop("In progress"),
    }
    number = query.number and (directory.number(query.number).name or query.number)
    found = (translated(states[query.desk]), number, query.to and phrases.owner_name(directory, *query.to), query.q)
    return [each for each in found if each]


def _title(filters: list[str], is_desk: bool) -> str:
    list_ = gettext_noop("Waiting customers") if is_desk else gettext_noop("Unmanaged conversations")
    when = f"{words().moment(words().now)} ({words().zone.key})"
    return ", ".join([translated(list_), when, *filters])


def _file(
    app: Flask, rows: "_Rows", kind: str, title: str, speech: Words, directory: Directory
) -> Generator[bytes, None, None]:
    with app.app_context():
        g.words = speech
        yield from spreadsheet(kind, title, rows, directory, lambda: rows.note)


class _Rows:
    """The rows of the list, of one snapshot. `note`: a text for the last line of the file if rows are missing."""

    def __init__(self, deps: Dependencies, query: ListQuery, is_desk: bool) -> None:
        self._deps, self._query, self._is_desk = deps, query, is_desk
        self.note: str | None = None

    def __iter__(self) -> Iterator[ListedConversation]:
        count, until = 0, monotonic() + LONGEST_SECONDS
        try:
            with self._deps.download_connection() as conn:
                for page in self._pages(conn):
                    if monotonic() > until:
                        self.note = translated(gettext_noop("This file is incomplete: it took too long. Add a filter."))
                        return
                    if page.cut:
                        self.note = translated(
                            "There may be more matches than were found: add a word, a number or a reason."
                        )
                    for row in with_notes(conn, page.rows):
                        if count == MAX_ROWS:
                            self.note = translated(gettext_noop("More conversations match than fit into a file."))
                            return
                        count += 1
                        yield row
        except psycopg.Error as error:
            log.warning("console.database_unavailable", error=type(error).__name__)
            self.note = translated(gettext_noop("This file is incomplete: the database did not respond. Try again."))

    def _pages(self, conn: Connection[Any]) -> Iterator[ConsolePage | DeskPage]:
        if self._is_desk:
            return every_desk_page(conn, self._query.desk_filter, _ROWS_AT_ONCE)
        return pages(conn, self._query.filter, _ROWS_AT_ONCE)


def _audited(query: ListQuery) -> dict[str, object]:
    """The filters for the audit log, without the search text, which may be a customer's name."""
    return {name: str(value) for name, value in query.args().items() if name != "q"}
