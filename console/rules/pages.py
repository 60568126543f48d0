"""`/rules`: the rules in their order, the form of one, its dry run, what rules did, and the switch that stops all."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.commands import new_form
from console.dependencies import Dependencies
from console.directory.editing import DraftStanding, begin, directory_in, standing
from console.directory.problems import ShownProblem
from console.notices import LATE_SECONDS
from console.phrases import rejection
from console.request import address, person, supervision, words
from console.rules import view
from console.rules.did import shown_acts
from console.rules.form import RuleFields, fields_of, with_part
from domain.directory import Directory
from infra.postgres import directory_versions
from infra.postgres.lists.cursor import START, Cursor, CursorError
from infra.postgres.rules import listing, switch

COUNTED = timedelta(days=30)
SPANS = ("now", "7", "30")
"""Against what a dry run tries a rule: the list as it is, or the last days."""
_LATEST = 8
_PAGE = 50


def rule_pages(deps: Dependencies) -> Blueprint:
    """`/rules`, `/rules/did`, `/rules/stop` and `/rules/start`."""
    pages = Blueprint("rules", __name__, url_prefix="/rules")

    @pages.get("")
    @gate.open_to("lists")
    def show() -> ResponseReturnValue:
        with deps.connection() as conn:
            draft = request.args.get("draft", type=UUID)
            found = directory_versions.find_draft(conn, draft) if draft else None
            state = standing(conn, found) if found is not None else None
            if state is not None and state.state == "applied":
                draft = None
            beginning = begin(conn, draft=draft)
            chosen = request.args.get("rule", "")
            copied = request.args.get("copy", "")
            table = beginning.table("rule", chosen or copied)
            if (copied or (chosen and state is None)) and table is None:
                abort(404)
            fields = _copy(fields_of(table)) if copied and table else fields_of(table) if table else None
            if request.args.get("new"):
                fields = with_part({**fields_of({}), "name": [""]}, "transfer")
            return render_page(
                deps, conn, chosen if table and not copied else "", fields, beginning.base, state, draft=draft
            )

    @pages.get("/did")
    @gate.open_to("lists")
    def did() -> ResponseReturnValue:
        rule = request.args.get("rule") or None
        try:
            after = Cursor.parse(request.args["after"]) if request.args.get("after") else START
        except CursorError:
            abort(404)
        with deps.connection() as conn:
            directory = deps.directory(conn)
            page = listing.act_page(conn, _PAGE, after, rule)
            shown = shown_acts(conn, page.acts, directory)
        return render_template(
            "rules/did_page.html",
            acts=shown,
            next=page.next,
            rule=rule,
            after=request.args.get("after"),
            rules=directory.rules,
            form=new_form(),
        )

    @pages.post("/stop")
    def stop() -> ResponseReturnValue:
        with deps.connection() as conn:
            switch.stop(conn, person().name, address())
        return redirect(url_for("rules.show"), 303)

    @pages.post("/start")
    def start() -> ResponseReturnValue:
        with deps.connection() as conn:
            switch.start(conn, person().name, address())
        return redirect(url_for("rules.show"), 303)

    return pages


def render_page(
    deps: Dependencies,
    conn: Connection[Any],
    chosen: str,
    fields: RuleFields | None,
    base: int,
    state: DraftStanding | None = None,
    problems: dict[str, list[str]] | None = None,
    elsewhere: list[ShownProblem] | None = None,
    draft: UUID | None = None,
    added: str = "",
) -> tuple[str, int]:
    """Returns the page. `chosen`: id of the rule whose form is shown, empty: a new one; `fields`: of the form, None:
    no form; `base`: the version that it began with; `state`: of the draft that is shown or was saved; `problems`: by
    part of the form; `draft`: that the form goes on with; `added`: the part that was just added."""
    directory = deps.directory(conn, after=state is not None and state.state == "applied")
    ids = [rule.id for rule in directory.rules]
    counts = listing.act_counts(conn, ids, COUNTED, supervision())
    acts = listing.act_page(conn, _LATEST)
    tried = directory_in(state.draft.text) if state is not None and state.state != "applied" else directory
    stop = switch.stopped(conn)
    page = render_template(
        "rules/page.html",
        directory=directory,
        rules=[(rule, view.standing(rule, counts[rule.id], directory)) for rule in directory.rules],
        acted=listing.all_counted(conn, COUNTED, supervision()),
        chosen=chosen,
        saved=next((rule for rule in directory.rules if rule.id == chosen), None),
        fields=fields,
        base=base,
        draft=draft,
        added=added,
        options=view.options(conn, directory, fields or {}),
        state=state,
        late=_is_late(state),
        why=rejection(state.command.reason) if state and state.command and state.command.reason else "",
        problems=problems or {},
        elsewhere=elsewhere or [],
        can_try=_can_try(tried, chosen, state) and not problems,
        span=request.args.get("span") if request.args.get("span") in SPANS else "now",
        acts=shown_acts(conn, acts.acts, directory),
        more_acts=acts.next is not None,
        stop=stop,
        stopped_by=stop and view.stopped_by(directory, stop.by),
        limit=deps.rules_per_minute,
        form=new_form(),
    )
    return page, 422 if problems or elsewhere else 200


def _copy(fields: dict[str, list[str]]) -> dict[str, list[str]]:
    name = words().gettext("Copy of %(name)s") % {"name": next(iter(fields.get("name", ())), "")}
    return {**fields, "name": [name]}


def _can_try(directory: Directory, chosen: str, state: DraftStanding | None) -> bool:
    is_there = any(rule.id == chosen for rule in directory.rules)
    return is_there and (state is None or state.state in ("open", "applied", "conflict", "rejected"))


def _is_late(state: DraftStanding | None) -> bool:
    command = state.command if state is not None and state.state == "waiting" else None
    return command is not None and (words().now - command.at).total_seconds() > LATE_SECONDS
