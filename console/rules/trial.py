"""`/rules/dry-run`: what a rule would do about the list as it is, or would have done in the last days."""

from typing import Any
from uuid import UUID

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.dependencies import Dependencies
from console.directory.editing import directory_in
from console.request import supervision, words
from console.rules.pages import SPANS
from console.table.rows import customer_name
from domain.directory import Directory
from domain.rules.rule import Rule
from infra.languages.detection import language_of
from infra.postgres import directory_versions
from infra.postgres.lists import console as console_list
from infra.postgres.lists.supervised import supervised_among
from infra.postgres.rules.dry_run import dry_run

SHOWN = 200
"""Conversations that are named; all are counted."""
SQUARES = 400


def trial_pages(deps: Dependencies) -> Blueprint:
    """`/rules/dry-run`."""
    pages = Blueprint("rule_trials", __name__, url_prefix="/rules")

    @pages.get("/dry-run")
    @gate.open_to("lists")
    def show() -> ResponseReturnValue:
        span = request.args.get("span", "now")
        if span not in SPANS:
            abort(404)
        with deps.connection() as conn:
            directory, rule = _tried(deps, conn, request.args.get("rule", ""), request.args.get("draft", type=UUID))
            trial = dry_run(conn, directory, rule, None if span == "now" else int(span), language_of)
            within = supervision()
            if within is not None:
                seen = supervised_among(conn, {act.conversation_id for act in trial.acts}, within)
                trial = trial._replace(acts=[act for act in trial.acts if act.conversation_id in seen])
            named = trial.acts[:SHOWN]
            rows = console_list.by_ids(conn, {act.conversation_id for act in named})
        names = {id_: customer_name(row) for id_, row in rows.items()}
        return render_template(
            "rules/dry_run.html",
            trial=trial,
            span=span,
            rule=rule,
            draft=request.args.get("draft"),
            acts=[act for act in named if act.conversation_id in names],
            names=names,
            squares=trial.acts[:SQUARES],
            now=words().now,
            more=max(0, len(trial.acts) - len(named)),
            whole_page=request.headers.get("HX-Request") != "true",
        )

    return pages


def _tried(deps: Dependencies, conn: Connection[Any], id_: str, draft: UUID | None) -> tuple[Directory, Rule]:
    """Returns the rule that is tried, in its directory."""
    directory = deps.directory(conn)
    if draft is not None:
        found = directory_versions.find_draft(conn, draft)
        if found is None:
            abort(404)
        directory = directory_in(found.text)
    rule = next((rule for rule in directory.rules if rule.id == id_), None)
    if rule is None:
        abort(404)
    return directory, rule
