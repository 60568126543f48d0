"""The third step of a new campaign, which exists by then: check and test."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.campaigns import texts
from console.campaigns.new.checking import check_view
from console.campaigns.new.creation import WrongDraft, ask_for
from console.campaigns.new.draft import Draft
from console.campaigns.new.start import draft_address
from console.campaigns.new.steps import steps_of_campaign
from console.campaigns.page.actions import ask_campaign
from console.campaigns.page.pages import found_campaign, not_there_yet
from console.campaigns.workbooks import download_file
from console.commands import body
from console.dependencies import Dependencies
from console.notices import kafka_unavailable
from console.request import translated, words
from console.sending.bubbles import bubble
from domain.campaigns.campaign import STARTABLE, UNSTARTED, campaign_id
from domain.command_bodies.campaigns import (
    MAX_TESTS,
    ColumnMapping,
    TestCampaign,
)
from domain.contract.texts import gettext_noop
from domain.ports import PublishFailed
from infra.postgres.campaign_files.files import headings_of
from infra.postgres.campaign_files.imports import BadRow, bad_rows
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.pages.checks import tests_of
from infra.sheets.problem_book import problem_book

_AT_ONCE = 1000


def check_pages(deps: Dependencies) -> Blueprint:
    """`/campaigns/ID/check`, and what is done there."""
    pages = Blueprint("check", __name__, url_prefix="/campaigns/<uuid:id_>")

    @pages.get("/check")
    @gate.open_to("campaigns")
    def show(id_: UUID) -> ResponseReturnValue:
        with deps.connection() as conn:
            campaign = campaigns.find(conn, id_)
            if campaign is None:
                return not_there_yet(conn, id_)
            directory = deps.directory(conn)
            templates = campaigns.templates_of(conn, campaign)
            view = check_view(conn, campaign, templates, Draft.of_campaign(campaign, templates, words().zone))
            tests = [(each, bubble(each)) for each in tests_of(conn, id_)]
        change = draft_address(campaign, templates)
        return render_template(
            "campaigns/check.html",
            shown=view,
            campaign=campaign,
            steps=steps_of_campaign(campaign, templates, view.funnel, 3, change),
            texts=texts,
            tests=tests,
            most_tests=MAX_TESTS,
            directory=directory,
            may_start=campaign.state in STARTABLE,
            may_change=campaign.state in UNSTARTED,
            change=change,
        )

    @pages.get("/problems.xlsx")
    @gate.open_to("campaigns")
    def problems_file(id_: UUID) -> ResponseReturnValue:
        """The rows that nothing is sent to because of what stands in them, with the reason."""
        with deps.connection() as conn:
            campaign = found_campaign(conn, id_)
            source = campaign.source.get("file")
            read = headings_of(conn, UUID(source["file_id"])) if source else None
        if source is None or read is None:
            abort(404)
        mapping, headings = ColumnMapping.model_validate(source["mapping"]), read.headings["columns"]
        return download_file(
            deps,
            f"problems-{campaign.name}",
            lambda conn: problem_book(headings, mapping, _bad_rows(conn, id_), _ProblemWords(), words().now),
            what="rows with problems",
            campaign=str(id_),
        )

    @pages.post("/again")
    @gate.open_to("campaigns")
    def again(id_: UUID) -> ResponseReturnValue:
        """Creates the campaign once more, with a cure for all rows with a problem, and cancels this one."""
        with deps.connection() as conn:
            campaign = found_campaign(conn, id_)
            templates = campaigns.templates_of(conn, campaign)
        draft = Draft.of_campaign(campaign, templates, words().zone)
        variable, value = request.form.get("variable", ""), request.form.get("value", "").replace("\0", "").strip()
        if request.form.get("cure") == "parameter_line_break":
            draft = replace(draft, spaces=True)
        elif variable and value:
            draft = replace(draft, values={**draft.values, variable: value[:1024]})
        else:
            return redirect(url_for("check.show", id_=id_), 303)
        try:
            created = ask_for(deps, draft, request.form.get("form", ""))
        except WrongDraft:
            abort(400)
        except PublishFailed:
            return kafka_unavailable()
        return redirect(url_for("check.show", id_=campaign_id(created), command=created), 303)

    @pages.post("/test")
    @gate.open_to("campaigns")
    def test(id_: UUID) -> ResponseReturnValue:
        """Sends a test to phones of the company, separated by line ends, commas or semicolons."""
        typed = request.form.get("to", "").replace(";", "\n").replace(",", "\n").splitlines()
        phones = [each.strip() for each in typed if each.strip()]
        if not 1 <= len(phones) <= MAX_TESTS or any(len(each) > _LONGEST_PHONE for each in phones):
            return redirect(url_for("check.show", id_=id_, wrong="phones"), 303)
        return ask_campaign(deps, body(TestCampaign, campaign_id=id_, to=phones), "campaign_test")

    return pages


_LONGEST_PHONE = 60


def _bad_rows(conn: Connection[Any], campaign: UUID) -> Iterator[BadRow]:
    """All rows with a problem, some at a time."""
    after: int | None = 0
    while after is not None:
        rows = bad_rows(conn, campaign, after, _AT_ONCE)
        yield from rows
        after = rows[-1].row_no if len(rows) == _AT_ONCE else None


class _ProblemWords:
    """What the workbook of rows with problems says, in the language of the page."""

    @property
    def title(self) -> str:
        return translated(gettext_noop("Rows with problems"))

    @property
    def row(self) -> str:
        return translated(gettext_noop("Row"))

    @property
    def why(self) -> str:
        return translated(gettext_noop("Why"))

    def problem(self, code: str) -> str:
        return texts.problem(code).name

    def repeats(self, row: int) -> str:
        return translated(gettext_noop("the same person as row %(row)s")) % {"row": row}
