"""`/directory`: the numbers, skillsets and users, and adding a number that customers write to."""

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.commands import new_form
from console.dependencies import Dependencies
from console.directory import view
from console.directory.edit import KIND, NEW, PROPOSED, level_names
from console.directory.editing import Beginning, begin, keep_draft, problems_of, save
from console.directory.forms import TableKind
from console.notices import kafka_unavailable
from console.request import translated
from domain.contract.texts import gettext_noop
from domain.ports import PublishFailed
from infra.postgres.console.directory import seen_numbers, shown_phones

_TITLES = {
    "number": gettext_noop("Numbers of the directory"),
    "skillset": gettext_noop("Skillsets"),
    "user": gettext_noop("Users"),
}


def directory_pages(deps: Dependencies) -> Blueprint:
    """`/directory`, `/directory/KIND`."""
    pages = Blueprint("directory", __name__, url_prefix="/directory")

    @pages.get("")
    @gate.open_to("overview")
    def home() -> ResponseReturnValue:
        return redirect(url_for("directory.show", kind="number"), 303)

    @pages.get(f"/{KIND}")
    @gate.open_to("overview")
    def show(kind: TableKind) -> ResponseReturnValue:
        with deps.connection() as conn:
            directory = deps.directory(conn)
            seen = seen_numbers(conn) if kind == "number" else []
            phones = shown_phones(conn) if kind == "number" else {}
        hints: dict[str, list[str]] = {}
        for hint in view.shown_hints(directory):
            if hint.kind == kind:
                hints.setdefault(hint.id, []).append(hint.text)
        return render_template(
            f"directory/{kind}s.html",
            kind=kind,
            title=translated(_TITLES[kind]),
            add=translated(NEW[kind]),
            directory=directory,
            hints=hints,
            seen=seen,
            phones=phones,
            levels=level_names(),
            short_hours=view.short_hours,
            form=new_form(),
        )

    @pages.post("/number/seen")
    def add_seen() -> ResponseReturnValue:
        """Adds a number that customers write to, as it is known, and saves it at once."""
        id_ = request.form.get("of", "")
        with deps.connection() as conn:
            seen = next((each for each in seen_numbers(conn) if each.phone_number_id == id_), None)
            if seen is None:
                abort(404)
            beginning = begin(conn)
            table = {**PROPOSED["number"], "phone_number_id": id_, "name": seen.name or "", **_usual(beginning)}
            document = beginning.with_table("number", None, table)
            note = translated(gettext_noop("Customers write to it"))
            kept = keep_draft(conn, request.form.get("form", ""), document, beginning.base, note)
        if problems_of(document):
            return redirect(url_for("directory_drafts.show", draft=kept), 303)
        try:
            save(deps, kept)
        except PublishFailed:
            return kafka_unavailable()
        return redirect(url_for("directory_drafts.show", draft=kept), 303)

    return pages


def _usual(beginning: Beginning) -> dict[str, object]:
    """The time zone and language of most numbers."""
    numbers = beginning.document.get("number", ())
    usual: dict[str, object] = {}
    for key in ("time_zone", "language"):
        values = [str(number[key]) for number in numbers if number.get(key)]
        if values:
            usual[key] = max(sorted(set(values)), key=values.count)
    return usual
