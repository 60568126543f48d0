"""Lists that people saved under a name, with how many conversations each has."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID, uuid4

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection
from werkzeug.datastructures import MultiDict

from console import gate
from console.dependencies import Dependencies
from console.live.watch import counted, matching
from console.request import address, person, target
from console.table.query import ListQuery, cleaned
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry
from infra.postgres.kept import saved_lists
from infra.postgres.kept.saved_lists import MAX_NAME, SavedList
from infra.postgres.lists import console as console_list


@dataclass(frozen=True, slots=True)
class SavedView:
    """A saved list as it is shown. `total`: how many conversations it has; None: it is searched, which takes longer."""

    saved: SavedList
    address: str
    total: int | None


def saved_pages(deps: Dependencies) -> Blueprint:
    """`/saved-lists`: a menu of the person's own lists and those that are shared."""
    pages = Blueprint("saved_lists", __name__, url_prefix="/saved-lists")

    @pages.get("")
    @gate.open_to("lists")
    def show() -> ResponseReturnValue:
        return _menu(deps)

    @pages.post("")
    @gate.open_to("lists")
    def save() -> ResponseReturnValue:
        name, shared = cleaned(request.form.get("name"))[:MAX_NAME], "shared" in request.form
        if not name:
            return _menu(deps, "no_name", 422)
        with deps.connection() as conn:
            is_saved = saved_lists.save_list(conn, uuid4(), person().name, name, _query(request.values), shared=shared)
        return _menu(deps) if is_saved else _menu(deps, "too_many", 422)

    @pages.post("/<uuid:id_>/delete")
    @gate.open_to("lists")
    def delete(id_: UUID) -> ResponseReturnValue:
        others = person().level == "tenant_administrator"
        with deps.connection() as conn:
            name = saved_lists.delete_list(conn, id_, person().name, others=others)
            if name is not None:
                audit.write(conn, [AuditEntry("saved_list_deleted", person().name, address(), detail={"list": name})])
        return _menu(deps)

    return pages


def _query(given: "MultiDict[str, str]") -> str:
    """The query of the list's address, without its place in the list and what is open beside it."""
    return urlencode({name: str(value) for name, value in ListQuery.read(given).args(open=None, after=None).items()})


def _menu(deps: Dependencies, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    if request.method == "POST" and target() is None and error is None:
        return redirect(url_for("unmanaged.show"), 303)
    with deps.connection() as conn:
        views = [_view(conn, each) for each in saved_lists.saved_lists(conn, person().name)]
    page = render_template(
        "saved_lists.html", views=views, query=_query(request.values), error=error, whole_page=target() is None
    )
    return page, status


def _view(conn: Connection[Any], saved: SavedList) -> SavedView:
    query = ListQuery.read(MultiDict(parse_qsl(saved.query)))
    which = query.seen_by(person()).filter
    total = None if which.words else matching(which, console_list.list_totals(conn, counted(which)).counts)
    return SavedView(saved, url_for("unmanaged.show", **query.args()), total)
