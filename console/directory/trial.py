"""`/directory/drafts/ID/trial`: what a draft would have made of the conversations of the last days."""

from uuid import UUID

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from console import gate
from console.dependencies import Dependencies
from console.directory.editing import directory_in
from console.phrases import reason_short
from console.request import supervision, translated
from console.table.rows import customer_name
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.statistics.reclassify import LeftTo, numbers_judged_differently
from infra.postgres import directory as stored
from infra.postgres import directory_versions
from infra.postgres.lists import console as console_list
from infra.postgres.lists.supervised import supervised_among
from infra.postgres.statistics.reclassify import Reclassification, reclassified

DAYS = 30
SHOWN = 200
"""Conversations that are named; all are counted."""


def directory_trial_pages(deps: Dependencies) -> Blueprint:
    """`/directory/drafts/ID/trial`."""
    pages = Blueprint("directory_trials", __name__, url_prefix="/directory/drafts/<uuid:draft>/trial")

    @pages.get("")
    @gate.open_to("overview")
    def show(draft: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            found = directory_versions.find_draft(conn, draft)
            if found is None:
                abort(404)
            before = directory_in(stored.text_of(conn, found.base) or "")
            wanted = directory_in(found.text)
            trial = reclassified(conn, wanted, DAYS, numbers_judged_differently(before, wanted))
            named = trial.differently[:SHOWN]
            rows = console_list.by_ids(conn, {each.conversation_id for each in named})
            within = supervision()
            if within is not None:
                seen = supervised_among(conn, rows, within)
                rows = {id_: row for id_, row in rows.items() if id_ in seen}
        names = {id_: customer_name(row) for id_, row in rows.items()}
        return render_template(
            "directory/trial.html",
            draft=found,
            days=DAYS,
            trial=trial,
            counts=_counts(trial, wanted),
            rows=[each for each in named if each.conversation_id in names],
            more=max(0, len(trial.differently) - len(named)),
            names=names,
            left_to=lambda of: _left_to(of, wanted),
            whole_page=request.headers.get("HX-Request") != "true",
        )

    return pages


def _counts(trial: Reclassification, directory: Directory) -> list[tuple[str, int, int]]:
    """Where how many were left and would have been, those first of whom there were most."""
    places = sorted(
        {*trial.was, *trial.would_be}, key=lambda each: (-trial.was.get(each, 0), -trial.would_be.get(each, 0))
    )
    return [(_left_to(each, directory), trial.was.get(each, 0), trial.would_be.get(each, 0)) for each in places]


def _left_to(of: LeftTo, directory: Directory) -> str:
    """Where customers are left, in words."""
    if of.skillset is not None:
        skillset = directory.skillsets.get(of.skillset)
        return translated(gettext_noop("Queued for %(name)s")) % {"name": skillset.name if skillset else of.skillset}
    return reason_short(of.reason) if of.reason else translated(gettext_noop("No conversation"))
