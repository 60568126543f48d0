"""Changes of rules: the form of one, on and off, order, removal. Each becomes a draft of the directory, which is saved
as its next version (`console.directory.editing`)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize
from uuid import UUID

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.dependencies import Dependencies
from console.directory.editing import Beginning, begin, keep_draft, problems_of, save
from console.directory.problems import ShownProblem, problem_said, shown_problems
from console.notices import kafka_unavailable
from console.request import translated
from console.rules.form import RuleFields, part_at, table_of, with_part, without_part
from console.rules.pages import render_page
from domain.contract.texts import gettext_noop
from domain.directory_file.difference import Document, differences, plain
from domain.ports import PublishFailed

_KIND = "rule"
_LONGEST_ID = 40


def rule_changes(deps: Dependencies) -> Blueprint:
    """`/rules/edit`, `/rules/switch`, `/rules/order` and `/rules/remove`."""
    pages = Blueprint("rule_changes", __name__, url_prefix="/rules")

    @pages.post("/edit")
    def edit() -> ResponseReturnValue:
        sent = {name: request.form.getlist(name) for name in request.form}
        id_ = request.form.get("of", "")
        with deps.connection() as conn:
            draft = request.form.get("draft", type=UUID)
            beginning = begin(conn, request.form.get("base", type=int), draft)
            if added := request.form.get("add"):
                return render_page(deps, conn, id_, with_part(sent, added), beginning.base, draft=draft, added=added)
            if removed := request.form.get("take_out"):
                return render_page(deps, conn, id_, without_part(sent, removed), beginning.base, draft=draft)
            edited = _edited(beginning, id_, sent, request.form.get("do", ""))
            if edited.problems or edited.elsewhere:
                problems, elsewhere = dict(edited.problems), list(edited.elsewhere)
                return render_page(deps, conn, id_, sent, beginning.base, None, problems, elsewhere, draft)
            if request.form.get("do") != "try" and not differences(
                begin(conn, beginning.base).document, plain(edited.document)
            ):
                return redirect(url_for("rules.show", rule=edited.id), 303)
            kept = keep_draft(conn, request.form.get("form", ""), edited.document, beginning.base, "")
        if request.form.get("do") == "try":
            return redirect(url_for("rules.show", rule=edited.id, draft=kept, span="30"), 303)
        return _saved(deps, kept, edited.id)

    @pages.post("/switch")
    def switch() -> ResponseReturnValue:
        id_ = request.form.get("of", "")
        with deps.connection() as conn:
            beginning = begin(conn)
            table = _table(beginning, id_)
            document = beginning.with_table(_KIND, id_, {**table, "on": request.form.get("on") == "1"})
            kept = keep_draft(conn, request.form.get("form", ""), document, beginning.base, "")
        return _saved(deps, kept, id_)

    @pages.post("/order")
    def order() -> ResponseReturnValue:
        """Moves a rule by one place."""
        id_ = request.form.get("of", "")
        with deps.connection() as conn:
            beginning = begin(conn)
            _table(beginning, id_)
            tables = list(beginning.document[_KIND])
            place = next(n for n, table in enumerate(tables) if table["id"] == id_)
            other = place + (-1 if request.form.get("to") == "up" else 1)
            if not 0 <= other < len(tables):
                return redirect(url_for("rules.show", rule=id_), 303)
            tables[place], tables[other] = tables[other], tables[place]
            document = {**beginning.document, _KIND: tables}
            kept = keep_draft(conn, request.form.get("form", ""), document, beginning.base, "")
        return _saved(deps, kept, id_)

    @pages.post("/remove")
    def remove() -> ResponseReturnValue:
        id_ = request.form.get("of", "")
        with deps.connection() as conn:
            beginning = begin(conn)
            _table(beginning, id_)
            document = beginning.with_table(_KIND, id_, None)
            kept = keep_draft(conn, request.form.get("form", ""), document, beginning.base, "")
        return _saved(deps, kept, "")

    return pages


@dataclass(frozen=True, slots=True)
class _Edited:
    """The directory with the rule that a form describes. `problems`: by part of the form; `elsewhere`: of other
    tables."""

    id: str
    document: Document
    problems: Mapping[str, list[str]]
    elsewhere: Sequence[ShownProblem]


def _edited(beginning: Beginning, id_: str, sent: RuleFields, do: str) -> _Edited:
    table = _table(beginning, id_) if id_ else {}
    edited = table_of(sent, table)
    changed = dict(edited.table)
    if not id_:
        changed["id"] = _new_id(str(changed.get("name", "")), {str(each["id"]) for each in _tables(beginning)})
    if do in ("on", "off"):
        changed["on"] = do == "on"
    document = beginning.with_table(_KIND, id_ or None, changed)
    place = next(n for n, each in enumerate(document[_KIND]) if each["id"] == changed["id"])
    problems: dict[str, list[str]] = {}
    for part, text in edited.problems:
        problems.setdefault(part, []).append(translated(text))
    if not changed.get("name"):
        problems["name"] = [translated(gettext_noop("Give the rule a name."))]
    elsewhere: list[ShownProblem] = []
    for problem in problems_of(document):
        if problem.path[:2] == (_KIND, place):
            if part := part_at(problem.path[2:]):
                problems.setdefault(part, []).append(problem_said(problem))
            else:
                problems.setdefault("then", []).append(problem_said(problem))
        else:
            elsewhere += shown_problems([problem], document)
    return _Edited(str(changed["id"]), document, problems, elsewhere)


def _tables(beginning: Beginning) -> Sequence[Mapping[str, Any]]:
    return beginning.document.get(_KIND, ())


def _table(beginning: Beginning, id_: str) -> Mapping[str, Any]:
    table = beginning.table(_KIND, id_)
    if table is None:
        abort(404)
    return table


def _new_id(name: str, known: set[str]) -> str:
    """Returns an id that says the name and that no other rule has."""
    plain_name = normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    id_ = re.sub("[^a-z0-9]+", "-", plain_name).strip("-")[:_LONGEST_ID] or _KIND
    numbered = (f"{id_}-{n}" for n in range(2, len(known) + 3))
    return id_ if id_ not in known else next(each for each in numbered if each not in known)


def _saved(deps: Dependencies, draft: UUID, id_: str) -> ResponseReturnValue:
    try:
        save(deps, draft)
    except PublishFailed:
        return kafka_unavailable()
    return redirect(url_for("rules.show", rule=id_ or None, draft=draft), 303)
