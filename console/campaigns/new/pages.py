"""`/campaigns/new`, *New outbound campaign*: which template, and to whom. Each state of the page is an address, and
nothing is stored before the campaign is created."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import Connection
from werkzeug.datastructures import MultiDict

from console import gate
from console.campaigns import texts
from console.campaigns.new.creation import WrongDraft, ask_for
from console.campaigns.new.draft import Draft, TemplateKey
from console.campaigns.new.heading import FILE_HEADINGS, file_heading, heading_file, taken
from console.campaigns.new.mapping import guessed, mapped_file, variables
from console.campaigns.new.message import shown_message
from console.campaigns.new.reach import LANGUAGES, count, customers_view
from console.campaigns.new.steps import steps_of_draft
from console.campaigns.new.template_list import TemplateQuery, choices_of, matching, template_rows
from console.campaigns.new.upload import CHUNK_BYTES
from console.campaigns.page.actions import HOURS
from console.campaigns.workbooks import download_file, download_workbook
from console.commands import new_form
from console.dependencies import Dependencies
from console.notices import kafka_unavailable
from console.request import person, target, translated, words
from console.table.query import ROWS
from console.words import zones
from domain.campaigns.campaign import campaign_id
from domain.campaigns.files.refusals import MAX_FILE_BYTES
from domain.command_bodies.campaigns import MAX_VARIANTS
from domain.contract.texts import gettext_noop
from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.messages.files import limit_of
from domain.ports import PublishFailed
from domain.sending.templates import Template, preview
from infra.phones.countries import countries as phone_countries
from infra.postgres.campaign_files.files import business_phone
from infra.postgres.campaigns.pages.uploads import ArrivedFile, uploaded
from infra.postgres.sending.accounts import NumberState, numbers
from infra.postgres.sending.library import templates_of_number
from infra.sheets.example import example_file

_COLUMNS = (
    (gettext_noop("Template"), 28),
    (gettext_noop("Language"), 10),
    (gettext_noop("Category"), 14),
    (gettext_noop("Status"), 14),
    (gettext_noop("Quality"), 12),
    (gettext_noop("Text"), 80),
    (gettext_noop("Buttons"), 40),
)
GONE = ("deleted", "arriving")
READABLE = ("read", "imported")
"""States of a file from which a campaign can be created."""


def new_campaign_pages(deps: Dependencies) -> Blueprint:
    """`/campaigns/new`, the example file, the count of customers, and the list of templates as a workbook."""
    pages = Blueprint("new_campaign", __name__)

    @pages.get("/campaigns/new")
    @gate.open_to("campaigns")
    def show() -> ResponseReturnValue:
        draft = Draft.read(request.args)
        return _recipients(deps, draft) if draft.templates and draft.source else _templates(deps)

    @pages.post("/campaigns/new")
    @gate.open_to("campaigns")
    def create() -> ResponseReturnValue:
        """Creates the campaign; `do=update` shows only what was chosen."""
        given: MultiDict[str, str] = request.form
        draft = Draft.read(given)
        if given.get("do") == "update":
            if target() is not None:
                return _recipients(deps, draft)
            return redirect(url_for("new_campaign.show", **draft.args(), at=given.get("at") or None), 303)
        return _create(deps, draft)

    @pages.get("/campaigns/new/count")
    @gate.open_to("campaigns")
    def count_customers() -> ResponseReturnValue:
        draft = Draft.read(request.args)
        with deps.connection() as conn:
            n = count(conn, draft, words().zone)
        return render_template("campaigns/count.html", n=n, whole_page=target() is None)

    @pages.get("/campaigns/new/example.xlsx")
    @gate.open_to("campaigns")
    def example() -> ResponseReturnValue:
        draft = Draft.read(request.args)
        with deps.connection() as conn:
            templates = chosen_templates(deps, conn, draft)
        if not templates:
            abort(404)
        phone, name = translated(gettext_noop("Phone")), translated(gettext_noop("Name"))
        return download_file(
            deps,
            f"{templates[0].name}-example",
            lambda _: example_file(templates, words().now, phone, name),
            what="example file",
            template=templates[0].name,
        )

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


def chosen_templates(deps: Dependencies, conn: Connection[Any], draft: Draft) -> list[Template]:
    """The templates that were chosen and can be sent, in the order in which they were."""
    known = {
        (each.name, each.language): each for each in templates_of_number(conn, draft.number) if can_be_sent(deps, each)
    }
    return [known[each] for each in draft.templates if each in known]


def can_be_sent(deps: Dependencies, template: Template) -> bool:
    """Whether a campaign with the template can be created on the page."""
    return template.is_sendable and (deps.files is not None or template.header_kind not in FILE_HEADINGS)


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
        file_headings=() if deps.files is not None else FILE_HEADINGS,
    )


def _recipients(deps: Dependencies, draft: Draft, error: str = "", status: int = 200) -> ResponseReturnValue:
    """The second step: to whom."""
    at = request.values.get("at", type=int) or 0
    with deps.connection() as conn:
        directory = deps.directory(conn)
        templates = chosen_templates(deps, conn, draft)
        file = uploaded(conn, draft.file) if draft.file and draft.source == "file" else None
        if not templates:
            error, status = translated(gettext_noop("The template cannot be sent now. Choose another one.")), 422
            return render_template(
                "campaigns/gone.html", error=error, draft=draft, steps=steps_of_draft(draft, "")
            ), 422
        kind = file_heading(templates)
        heading = heading_file(conn, draft.values, kind) if kind else None
        if kind and heading is None:
            return _heading(draft, templates, kind)
        mapped = customers = None
        if file is not None and file.state in READABLE:
            draft = guessed(draft, file, templates)
            mapped = mapped_file(draft, file, templates, business_phone(conn, draft.number), at, heading)
        elif draft.source == "customers" and draft.agreed:
            customers = customers_view(conn, draft, templates, heading)
        comparable = _comparable(deps, conn, draft, templates)
    page = render_template(
        "campaigns/recipients_of_new.html",
        draft=draft,
        templates=templates,
        file=file,
        mapped=mapped,
        customers=customers,
        comparable=comparable,
        bare=[shown_message(each, {}, heading) for each in templates],
        heading=heading,
        directory=directory,
        error=error or _file_error(draft, file),
        form=request.form.get("form") or new_form(),
        steps=steps_of_draft(draft, file.name if file else ""),
        texts=texts,
        reasons=list(Reason),
        languages_of_customers=[(code, words().locale.languages.get(code, code)) for code in LANGUAGES],
        countries=sorted(_countries().items(), key=lambda item: item[1]),
        zones=zones(words().language),
        all_hours=HOURS,
        chunk=CHUNK_BYTES,
        most=MAX_FILE_BYTES,
        most_variants=MAX_VARIANTS,
    )
    headers = {"HX-Push-Url": url_for("new_campaign.show", **draft.args(), at=at or None)} if target() else {}
    return page, status, headers


def _heading(draft: Draft, templates: Sequence[Template], kind: str) -> ResponseReturnValue:
    """In place of the second step, before the file of the heading was chosen."""
    page = render_template(
        "campaigns/heading.html",
        draft=draft,
        templates=templates,
        kind=kind,
        taken=taken(kind),
        wrong="wrong" in request.args,
        bare=[shown_message(each, {}) for each in templates],
        steps=steps_of_draft(draft, ""),
        chunk=CHUNK_BYTES,
        most=limit_of(kind),
    )
    return page, 200


def _create(deps: Dependencies, draft: Draft) -> ResponseReturnValue:
    try:
        created = ask_for(deps, draft, request.form.get("form", ""))
    except WrongDraft as wrong:
        return _recipients(deps, draft, str(wrong), 422)
    except PublishFailed:
        return kafka_unavailable()
    return redirect(url_for("check.show", id_=campaign_id(created), command=created), 303)


def _file_error(draft: Draft, file: ArrivedFile | None) -> str:
    if draft.file is not None and draft.source == "file" and (file is None or file.state in GONE):
        return translated(gettext_noop("The file is not there any more: files are kept for a day. Choose it again."))
    return texts.file_problem(file.problem, file.detail) if file is not None and file.state == "refused" else ""


def _comparable(
    deps: Dependencies, conn: Connection[Any], draft: Draft, templates: Sequence[Template]
) -> list[TemplateKey]:
    """Templates that can be compared with the first: they need nothing else."""
    needed = set(variables(templates[:1]))
    return [
        TemplateKey(each.name, each.language)
        for each in templates_of_number(conn, draft.number)
        if can_be_sent(deps, each)
        and each.header_kind == templates[0].header_kind
        and set(variables([each])) == needed
        and each.category == templates[0].category
        and (each.name, each.language) != (templates[0].name, templates[0].language)
    ]


def _countries() -> dict[str, str]:
    names = words().locale.territories
    return {code: names.get(code, code) for code in phone_countries()}


def numbers_to_choose(conn: Connection[Any], directory: Directory) -> Sequence[tuple[str, str]]:
    """The business numbers: id and name, those of the directory first."""
    named = {id_: number.name or id_ for id_, number in directory.numbers.items()}
    of_meta = {each.phone_number_id: _name(each) for each in numbers(conn) if each.account_id is not None}
    return [*named.items(), *((id_, name) for id_, name in of_meta.items() if id_ not in named)]


def _name(number: NumberState) -> str:
    return number.name or number.display or number.phone_number_id
