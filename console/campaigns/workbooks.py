"""Downloads of lists of campaigns as Excel workbooks, in constant memory however long they are."""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from time import monotonic
from typing import Any

import psycopg
import structlog
from flask import Flask, Response, current_app, g, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console.dependencies import Dependencies
from console.downloads import TooManyDownloads, disposition
from console.pages.download import LONGEST_SECONDS
from console.request import address, follow_with, keep_page, person, target, translated, words
from console.table.spreadsheet import MAX_ROWS, TYPES
from console.words import Words
from domain.contract.texts import gettext_noop
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry
from infra.sheets.workbook import Cell, Sheet, workbook

_RETRY_AFTER_SECONDS = 30
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")

log = structlog.get_logger()

RowsOf = Callable[[Connection[Any]], Iterable[Sequence[Cell]]]
"""Reads the rows of a workbook. It is called in the thread of the download, with the language of the page."""
PartsOf = Callable[[Connection[Any]], Iterator[bytes]]
"""Makes the parts of a workbook there."""


def download_workbook(
    deps: Dependencies, name: str, title: str, columns: Sequence[tuple[str, int]], rows: RowsOf, **audited: object
) -> ResponseReturnValue:
    """The response with a list as a workbook, as `download_file` gives it."""
    sheet = Sheet(title, f"{title}, {words().moment(words().now)} ({words().zone.key})", words().now, columns)
    return download_file(deps, name, lambda conn: workbook(sheet, within_bounds(rows, conn)), **audited)


def download_file(
    deps: Dependencies, name: str, parts: PartsOf, kind: str = "xlsx", /, **audited: object
) -> ResponseReturnValue:
    """The response with a file of a kind of `console.table.spreadsheet.TYPES`: 429 if the person has a download
    already, 503 if too many people have. `audited`: what was downloaded, for the audit log, without customers' names
    and phones."""
    if request.method == "HEAD":
        return Response(b"", content_type=TYPES[kind])
    try:
        download = deps.downloads.take(person().name)
    except TooManyDownloads as error:
        page = render_template("refused.html", why="downloads", own=error.own, whole_page=target() is None)
        headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
        return keep_page(Response(page, 429 if error.own else 503, headers))
    with deps.connection() as conn:
        audit.write(conn, [AuditEntry("downloaded", person().name, address(), detail={"kind": kind, **audited})])
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the file outlives the request
    follow_with(partial(deps.downloads.stream, download, partial(_file, app, deps, parts, words())))
    name = _NOT_IN_NAMES.sub("-", f"{name}-{words().local(words().now):%Y-%m-%d-%H%M}")[:100].strip("-")
    headers = {"Content-Disposition": disposition(f"{name}.{kind}"), "X-Accel-Buffering": "no"}
    return Response(b"", content_type=TYPES[kind], headers=headers)


def _file(app: Flask, deps: Dependencies, parts: PartsOf, speech: Words) -> Generator[bytes, None, None]:
    with app.app_context(), deps.download_connection() as conn:
        g.words = speech
        yield from parts(conn)


def within_bounds(rows: RowsOf, conn: Connection[Any]) -> Iterator[Sequence[Cell]]:
    """The rows, and a last line that says so if some are missing."""
    until = monotonic() + LONGEST_SECONDS
    try:
        for count, row in enumerate(rows(conn)):
            if count == MAX_ROWS:
                yield [translated(gettext_noop("There are more rows than fit into a file."))]
                return
            if monotonic() > until:
                yield [translated(gettext_noop("This file is incomplete: it took too long. Add a filter."))]
                return
            yield row
    except psycopg.Error as error:
        log.warning("console.database_unavailable", error=type(error).__name__)
        yield [translated(gettext_noop("This file is incomplete: the database did not respond. Try again."))]
