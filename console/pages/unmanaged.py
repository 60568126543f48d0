"""*Unmanaged conversations* (manual facts S2, S5, S6, S7): the list and its download."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from psycopg import Connection

from console import gate
from console.dependencies import Dependencies
from console.live.watch import counted, matching
from console.live.watched_list import lost_address, row_context, soon_address
from console.pages import panel
from console.pages.download import download_list
from console.request import dialog, person, target, words
from console.table.query import ROWS, ListQuery
from console.table.rows import render_rows
from domain.conversations.reasons import Reason
from domain.directory import Directory
from infra.postgres.console import sign_ins
from infra.postgres.kept.tags import with_tags
from infra.postgres.lists import console as console_list
from infra.postgres.lists.cursor import END, Cursor
from infra.postgres.lists.last_messages import with_last_answers, with_last_messages, with_promises
from infra.postgres.lists.liveliness import has_conversations
from infra.postgres.lists.unmanaged import MOST_TAGGED, is_cut
from infra.postgres.words.matching import with_found_messages
from infra.postgres.words.progress import SearchFreshness, freshness


@dataclass(frozen=True, slots=True)
class ListView:
    """What the list shows. `counts`: active, closed and dismissed conversations; `soon`: how many run out soon;
    `lost`: how many were lost within a day; `total`: how many match, if known; `freshness`: what the search knows of
    messages, None if nothing was searched; `newest`: the newest row when the list was read, so that the stream can
    announce newer ones."""

    page: console_list.ConsolePage
    counts: tuple[int, int, int]
    soon: int
    lost: int
    total: int | None
    waiting: int
    newest: Cursor
    freshness: SearchFreshness | None = None


def unmanaged_pages(deps: Dependencies) -> Blueprint:
    """`/unmanaged` and its download."""
    pages = Blueprint("unmanaged", __name__)

    @pages.get("/")
    @gate.open_to("signed_in")
    def home() -> ResponseReturnValue:
        return redirect(gate.home(), 303)

    @pages.get("/unmanaged")
    @gate.open_to("lists")
    def show() -> ResponseReturnValue:
        query = ListQuery.read(request.args)
        seen = query.seen_by(person())
        with deps.connection() as conn:
            if "keep" in request.args:
                return keep(conn, query, "unmanaged.show")
            directory = deps.directory(conn)
            if target() == "panel":
                return panel.render(deps, conn, directory, query, "unmanaged.show")
            view = deps.snapshots.get(person().as_of, _key(seen), lambda: _view(conn, seen))
            beside = panel.render(deps, conn, directory, query, "unmanaged.show") if query.open else ""
            never = not view.page.rows and not has_conversations(conn)
            elsewhere = None if view.page.rows else _named(conn, query)
        return render_template(
            "unmanaged.html",
            query=query,
            view=view,
            directory=directory,
            filter_bar=_filter_bar(query, seen, directory),
            panel=beside,
            never=never,
            elsewhere=elsewhere,
            most_found=console_list.MANY_FOUND,
            most_tagged=MOST_TAGGED,
            endpoint="unmanaged.show",
            several_numbers=len({*directory.numbers, *(row.phone_number_id for row in view.page.rows)}) > 1,
            soon_address=soon_address(query),
            lost_address=lost_address(query),
            seen=seen,
            table=render_rows(view.page.rows, directory, row_context(query, "unmanaged.show"), query.open),
        )

    @pages.get("/unmanaged/keys")
    @gate.open_to("lists")
    def keys() -> ResponseReturnValue:
        return dialog("list_keys.html")

    @pages.get("/unmanaged.<any(xlsx, csv):kind>")
    @gate.open_to("lists")
    def download(kind: str) -> ResponseReturnValue:
        return download_list(deps, ListQuery.read(request.args).seen_by(person()), kind)

    return pages


def keep(conn: Connection[Any], query: ListQuery, endpoint: str) -> ResponseReturnValue:
    """Remembers the rows, order and status that the person changed on our own page, and leads to the list. An address
    that somebody sent them changes nothing but what it shows, also when they go on from there."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return redirect(url_for(endpoint, **query.args()), 303)
    shown = request.args["keep"].split(".")
    rows = None if str(query.rows) in shown else query.rows
    order = None if query.order in shown else query.order
    status = None if query.status in (*shown, "dismissed") else query.status
    sign_ins.prefer_list(conn, person().name, rows, order, status)
    me = person()
    kept = query.args(
        rows=_unless(query.rows, rows or me.page_rows),
        order=_unless(query.order, order or me.list_order),
        status=_unless(query.status, me.list_status),  # a status that was changed stays in the address
    )
    return redirect(url_for(endpoint, **kept), 303)


def _named(conn: Connection[Any], query: ListQuery) -> UUID | None:
    """The conversation whose id was searched, on the list or not; None: there is none that the person may read."""
    try:
        id_ = UUID(query.q)
    except ValueError:
        return None
    return id_ if gate.may_read(conn, id_) and console_list.by_ids(conn, [id_]) else None


def _unless(given: object, own: object) -> object:
    return None if given == own else given


def _filter_bar(query: ListQuery, seen: ListQuery, directory: Directory) -> Markup:
    seen_numbers = None if query.within is None else query.within.numbers
    numbers = tuple(
        (id_, number.name or id_)
        for id_, number in directory.numbers.items()
        if seen_numbers is None or id_ in seen_numbers
    )
    plain = replace(query, after=None, before=None, skip=0, open=None, tab="conversation")
    shown = replace(plain, rows=seen.rows, order=seen.order, status=seen.status)
    return _rendered_filter_bar(plain, shown, numbers, words().language)


@lru_cache(256)
def _rendered_filter_bar(
    query: ListQuery, seen: ListQuery, numbers: Sequence[tuple[str, str]], _language: str
) -> Markup:
    """`seen`: with the person's preferences; `_language` must be that of the page (`console.table.snapshot_cache`)."""
    template = current_app.jinja_env.get_template("filter_bar.html")
    known = query.number is None or query.number in dict(numbers)
    content = template.render(query=query, seen=seen, numbers=numbers, known=known, choices=ROWS, reasons=list(Reason))
    return Markup(content)  # noqa: S704 - the template escapes


def _key(seen: ListQuery) -> Hashable:
    """Everything that the list depends on besides the database."""
    return seen.filter, seen.rows, seen.after, seen.before


def _view(conn: Connection[Any], seen: ListQuery) -> ListView:
    found = console_list.page(conn, seen.filter, seen.rows or ROWS[0], after=seen.after, before=seen.before)
    newest = found
    if seen.order != "newest" or seen.after or seen.before:
        newest = console_list.page(conn, seen.newest, 1)
    top = newest.rows[0] if newest.rows else None
    totals, waiting, soon, lost = console_list.list_totals(conn, counted(seen.filter))
    rows, fresh = found.rows, None
    if seen.filter.words:
        totals = console_list.found_counts(conn, seen.filter, found)
        rows, fresh = with_found_messages(conn, found.rows, seen.filter.words), freshness(conn)
    return ListView(
        replace(
            found,
            cut=found.cut or (seen.tag is not None and seen.status != "dismissed" and is_cut(conn, seen.tag)),
            rows=with_tags(conn, with_promises(conn, with_last_answers(conn, with_last_messages(conn, rows)))),
        ),
        (totals["active"], totals["closed"], totals.get("dismissed", 0)),
        soon,
        lost,
        matching(seen.filter, totals),
        waiting,
        Cursor(top.last_at, top.id) if top else END,
        fresh,
    )
