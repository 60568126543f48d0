"""`/campaigns/new`, *New outbound campaign*: which template, and to whom. Each state of the page is an address."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.campaigns.new.draft import Draft, TemplateKey
from console.campaigns.new.steps import steps_of_draft
from console.campaigns.new.template_list import TemplateQuery, choices_of, matching, template_rows
from console.campaigns.workbooks import download_workbook
from console.dependencies import Dependencies
from console.request import person, translated
from console.table.query import ROWS
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.sending.templates import preview
from infra.postgres.sending.accounts import NumberState, numbers
from infra.postgres.sending.library import templates_of_number

_COLUMNS = (
    (gettext_noop("Template"), 28),
    (gettext_noop("Language"), 10),
    (gettext_noop("Category"), 14),
    (gettext_noop("Status"), 14),
    (gettext_noop("Quality"), 12),
    (gettext_noop("Text"), 80),
    (gettext_noop("Buttons"), 40),
)


def new_campaign_pages(deps: Dependencies) -> Blueprint:
    """`/campaigns/new` and the list of its templates as a workbook."""
    pages = Blueprint("new_campaign", __name__)

    @pages.get("/campaigns/new")
    @gate.open_to("campaigns")
    def show() -> ResponseReturnValue:
        draft = Draft.read(request.args)
        if draft.templates and draft.source:
            return "later"
        return _templates(deps)

    @pages.get("/campaigns/new/templates.xlsx")
    @gate.open_to("campaigns")
    def templates_file() -> ResponseReturnValue:
        query = TemplateQuery.read(request.args)
        with deps.connection() as conn:
            found = matching(templates_of_number(conn, query.number), query)
        return download_workbook(
            deps,
            "templates",
            translated(gettext_noop("Templates")),
            [(translated(name), width) for name, width in _COLUMNS],
            lambda _: template_rows(found),
            what="templates",
            number=query.number,
        )

    return pages


def _templates(deps: Dependencies) -> ResponseReturnValue:
    """The first step: the list of the number's templates."""
    query = TemplateQuery.read(request.args)
    with deps.connection() as conn:
        directory = deps.directory(conn)
        listed = numbers_to_choose(conn, directory)
        number = query.number or (listed[0][0] if listed else "")
        known = templates_of_number(conn, number) if number else []
    found = matching(known, query)
    rows = query.rows or person().page_rows
    return render_template(
        "campaigns/templates.html",
        query=query,
        number=number,
        numbers=listed,
        found=found[query.skip : query.skip + rows],
        total=len(found),
        known=len(known),
        rows=rows,
        row_choices=ROWS,
        choices=choices_of(known),
        preview=preview,
        steps=steps_of_draft(Draft(number=number), ""),
        enabled=deps.sending.enabled,
        key=TemplateKey,
    )


def numbers_to_choose(conn: Connection[Any], directory: Directory) -> Sequence[tuple[str, str]]:
    """The business numbers: id and name, those of the directory first."""
    named = {id_: number.name or id_ for id_, number in directory.numbers.items()}
    of_meta = {each.phone_number_id: _name(each) for each in numbers(conn) if each.account_id is not None}
    return [*named.items(), *((id_, name) for id_, name in of_meta.items() if id_ not in named)]


def _name(number: NumberState) -> str:
    return number.name or number.display or number.phone_number_id
