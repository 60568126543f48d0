"""`/directory/KIND/edit`: the form of a number, skillset or user, and removing one. What is sent becomes a draft; its
page (`console.directory.drafts`) says what it changes and saves it."""

from collections.abc import Mapping
from uuid import UUID

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import gate
from console.commands import new_form
from console.dependencies import Dependencies
from console.directory import view
from console.directory.editing import LONGEST_NOTE, Beginning, begin, keep_draft, problems_of
from console.directory.forms import KINDS, SPARE_ROWS, TableKind, field_at, fields_of, form_of, menu_rows, table_of
from console.directory.problems import ShownProblem, problem_said, shown_problems
from console.phrases import LEVELS
from console.request import translated
from console.words import LANGUAGES, zones
from domain.contract.texts import gettext_noop
from domain.directory import Level
from domain.directory_file.difference import differences, key_of
from domain.directory_file.reader import DirectoryProblem
from domain.directory_file.wording import RETAINED, RETENTION_HINTS, TEXT_KINDS, field_name

NEW: Mapping[TableKind, str] = {
    "number": gettext_noop("New number"),
    "skillset": gettext_noop("New skillset"),
    "user": gettext_noop("New user"),
}
PROPOSED: Mapping[TableKind, Mapping[str, object]] = {
    "number": {"time_zone": "UTC", "language": "en"},
    "skillset": {},
    "user": {"level": "agent", "max_conversations": 3},
}
"""What the form of a new table shows at first."""
KIND = "<any(number, skillset, user):kind>"
_SPARE = "more"
"""The button that adds empty rows to a menu."""
_MORE_ROWS = 5


def edit_pages(deps: Dependencies) -> Blueprint:
    """`/directory/KIND/edit`, `/directory/KIND/remove`."""
    pages = Blueprint("directory_edit", __name__, url_prefix="/directory")

    @pages.get(f"/{KIND}/edit")
    @gate.open_to("overview")
    def edit(kind: TableKind) -> ResponseReturnValue:
        draft, id_ = request.args.get("draft", type=UUID), request.args.get("id")
        with deps.connection() as conn:
            beginning = begin(conn, draft=draft)
        table = beginning.table(kind, id_) if id_ else None
        if id_ and table is None:
            abort(404)
        return _form(deps, kind, id_, beginning, form_of(kind, table or PROPOSED[kind]), draft=draft)

    @pages.post(f"/{KIND}/edit")
    def check(kind: TableKind) -> ResponseReturnValue:
        id_ = request.form.get("of") or None
        draft = request.form.get("draft", type=UUID)
        note = " ".join(request.form.get("note", "").replace("\0", "").split())[:LONGEST_NOTE]
        with deps.connection() as conn:
            beginning = begin(conn, request.form.get("base", type=int), draft)
            before = begin(conn, beginning.base).document
            base = beginning.table(kind, id_) if id_ else {}
            if base is None:
                abort(404)
            sent = {name: request.form[name] for name in request.form}
            if _SPARE in sent:
                return _form(deps, kind, id_, beginning, sent, draft=draft, rows=_MORE_ROWS)
            edited = table_of(kind, sent, base)
            document = beginning.with_table(kind, id_, edited.table)
            problems = [DirectoryProblem((kind, _place(document, kind, id_), *p), None, m) for p, m in edited.problems]
            problems += problems_of(document)
            if problems:
                return _form(deps, kind, id_, beginning, sent, problems, draft=draft, document=document)
            if not differences(before, document):
                said = translated(gettext_noop("Nothing differs from what is there."))
                return _form(deps, kind, id_, beginning, sent, draft=draft, error=said)
            kept = keep_draft(conn, request.form.get("form", ""), document, beginning.base, note)
        return redirect(url_for("directory_drafts.show", draft=kept), 303)

    @pages.post(f"/{KIND}/remove")
    def remove(kind: TableKind) -> ResponseReturnValue:
        id_ = request.form.get("of", "")
        with deps.connection() as conn:
            beginning = begin(conn)
            if beginning.table(kind, id_) is None:
                abort(404)
            document = _without(beginning, kind, id_)
            kept = keep_draft(conn, request.form.get("form", ""), document, beginning.base, "")
        return redirect(url_for("directory_drafts.show", draft=kept), 303)

    return pages


def _without(beginning: Beginning, kind: TableKind, id_: str) -> Mapping[str, list[dict[str, object]]]:
    """The document without a table. A skillset is taken from its users and from menus too, so that the rest of it is a
    directory."""
    document = {key: [dict(table) for table in tables] for key, tables in beginning.document.items()}
    document[kind] = [table for table in document[kind] if table[key_of(kind)] != id_]
    if kind != "skillset":
        return document
    for user in document.get("user", ()):
        user["skillsets"] = [each for each in user.get("skillsets") or () if each != id_]  # type: ignore[attr-defined]
    for number in document.get("number", ()):
        menu = dict(number.get("menu") or {})  # type: ignore[call-overload]
        left = {choice: skillset for choice, skillset in menu.items() if skillset != id_}
        words = dict(number.get("synonyms") or {})  # type: ignore[call-overload]
        number |= {"menu": left, "synonyms": {choice: each for choice, each in words.items() if choice in left}}
    return document


def _form(
    deps: Dependencies,
    kind: TableKind,
    id_: str | None,
    beginning: Beginning,
    values: Mapping[str, str],
    problems: list[DirectoryProblem] | None = None,
    *,
    draft: UUID | None = None,
    document: Mapping[str, object] | None = None,
    rows: int = 0,
    error: str = "",
) -> ResponseReturnValue:
    """The form of a table, with what was typed and what is wrong with it."""
    place = _place(document or beginning.document, kind, id_)
    at_fields: dict[str, list[str]] = {}
    elsewhere: list[ShownProblem] = []
    for problem in problems or ():
        if problem.path[:2] == (kind, place):
            at_fields.setdefault(field_at(problem.path[2:], {}, values), []).append(problem_said(problem))
        else:
            elsewhere += shown_problems([problem], document or beginning.document, draft)
    known = menu_rows(values)
    first = known[-1] + 1 if known else 0
    table = (beginning.table(kind, id_) or {}) if id_ else {}
    page = render_template(
        "directory/edit.html",
        kind=kind,
        id=id_,
        title=str(table.get("name") or id_) if id_ else translated(NEW[kind]),
        kinds=KINDS,
        beginning=beginning,
        values=values,
        fields=fields_of(kind),
        rows=[*known, *range(first, first + (rows or (0 if known else SPARE_ROWS)))],
        at_fields=at_fields,
        elsewhere=elsewhere,
        error=error,
        draft=draft,
        note=request.form.get("note", beginning.note),
        form=request.form.get("form") or new_form(),
        label=lambda key: _capital(field_name((key,), translated)),
        skillsets=[(str(each["id"]), str(each["name"])) for each in beginning.document.get("skillset", ())],
        levels=level_names(),
        languages=LANGUAGES,
        zones=zones,
        days=view.day_names(),
        text_kinds={key: translated(name) for key, name in TEXT_KINDS.items()},
        retained={
            key: (_capital(translated(name)), translated(RETENTION_HINTS[key])) for key, name in RETAINED.items()
        },
        removable=id_ is not None and draft is None,
    )
    return page, 422 if problems or error else 200


def _place(document: Mapping[str, object], kind: TableKind, id_: str | None) -> int:
    """The index of the edited table among those of its kind; a new one is the last."""
    tables = list(document.get(kind, ()))  # type: ignore[call-overload]
    if id_ is None:
        return len(tables) - 1
    return next((place for place, each in enumerate(tables) if each.get(key_of(kind)) == id_), -1)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def level_names() -> dict[Level, str]:
    """Level -> its name."""
    return {level: translated(name) for level, name in LEVELS.items()}  # type: ignore[misc]
