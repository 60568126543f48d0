"""`/campaigns`, *Outbound history*: every campaign, and every template that was sent to one customer, with their
download as a workbook."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection

from console import gate
from console.campaigns import texts
from console.campaigns.history_query import HistoryQuery
from console.campaigns.workbooks import download_workbook
from console.dependencies import Dependencies
from console.phrases import user_name
from console.request import person, translated, words
from console.sending.bubbles import bubble, state_words
from console.table.query import ROWS
from console.words import phone
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from domain.sending.sends import SEND_STATES, Send
from infra.postgres.campaigns.pages.history import (
    HistoryFilter,
    ListedCampaign,
    all_campaigns,
    all_singles,
    campaign_page,
    single_page,
)
from infra.postgres.lists.cursor import START
from infra.sheets.workbook import Cell

_CAMPAIGN_COLUMNS = (
    (gettext_noop("Name"), 32),
    (gettext_noop("State"), 24),
    (gettext_noop("Number"), 20),
    (gettext_noop("Template"), 28),
    (gettext_noop("Language"), 10),
    (gettext_noop("Created"), 20),
    (gettext_noop("By"), 18),
    (gettext_noop("Started"), 20),
    (gettext_noop("Ended"), 20),
    (gettext_noop("Recipients"), 12),
    (gettext_noop("Accepted"), 12),
    (gettext_noop("Delivered"), 12),
    (gettext_noop("Failed"), 12),
    (gettext_noop("Answered"), 12),
    (gettext_noop("Answered but unmanaged"), 24),
)
_SINGLE_COLUMNS = (
    (gettext_noop("Template"), 28),
    (gettext_noop("Language"), 10),
    (gettext_noop("State"), 24),
    (gettext_noop("Customer"), 22),
    (gettext_noop("Number"), 20),
    (gettext_noop("Asked for"), 20),
    (gettext_noop("By"), 18),
    (gettext_noop("What helps"), 60),
)


def history_pages(deps: Dependencies) -> Blueprint:
    """`/campaigns` and `/campaigns.xlsx`."""
    pages = Blueprint("campaigns", __name__)

    @pages.get("/campaigns")
    @gate.open_to("campaigns")
    def history() -> ResponseReturnValue:
        query = HistoryQuery.read(request.args)
        rows, after = query.rows or person().page_rows, query.after or START
        with deps.connection() as conn:
            directory = deps.directory(conn)
            if query.of == "campaigns":
                found = campaign_page(conn, query.filter, rows, after)
                listed: Sequence[ListedCampaign] | Sequence[Send] = found.rows
                following = found.next
            else:
                singles = single_page(conn, query.filter, rows, after)
                listed, following = singles.rows, singles.next
        return render_template(
            "campaigns/history.html",
            query=query,
            found=listed,
            next=following and str(following),
            directory=directory,
            rows=rows,
            choices=ROWS,
            texts=texts,
            bubble=bubble,
            states=texts.states() if query.of == "campaigns" else [(each, state_words(each)) for each in SEND_STATES],
            is_root=person().level == "tenant_administrator",
        )

    @pages.get("/campaigns.xlsx")
    @gate.open_to("campaigns")
    def history_file() -> ResponseReturnValue:
        query = HistoryQuery.read(request.args)
        with deps.connection() as conn:
            directory = deps.directory(conn)
        campaigns = query.of == "campaigns"

        def rows(conn: Connection[object]) -> Iterator[Sequence[Cell]]:
            return _campaign_rows(conn, query.filter, directory) if campaigns else _single_rows(conn, query, directory)

        return download_workbook(
            deps,
            "outbound-history" if campaigns else "single-templates",
            translated(gettext_noop("Outbound history")),
            [(translated(name), width) for name, width in (_CAMPAIGN_COLUMNS if campaigns else _SINGLE_COLUMNS)],
            rows,
            what="outbound history",
            **{name: str(value) for name, value in query.args().items() if name != "q"},
        )

    return pages


def _campaign_rows(conn: Connection[object], which: HistoryFilter, directory: Directory) -> Iterator[Sequence[Cell]]:
    for each in all_campaigns(conn, which):
        why = texts.reason(each.reason)
        yield [
            each.name,
            f"{texts.state(each.state)}: {why}" if why else texts.state(each.state),
            directory.number(each.phone_number_id).name or each.phone_number_id,
            each.template,
            each.language,
            _cell(each.created_at),
            user_name(directory, each.actor),
            _cell(each.started_at),
            _cell(each.ended_at),
            each.rows,
            each.accepted,
            each.reached,
            each.failed,
            each.answered,
            each.unmanaged,
        ]


def _single_rows(conn: Connection[object], query: HistoryQuery, directory: Directory) -> Iterator[Sequence[Cell]]:
    for send in all_singles(conn, query.filter):
        template = send.content.get("template", {})
        shown = bubble(send)
        yield [
            template.get("name", ""),
            template.get("language", {}).get("code", ""),
            shown.words,
            phone(send.address) if send.address_kind == "phone" else send.address,
            directory.number(send.phone_number_id).name or send.phone_number_id,
            _cell(send.requested_at),
            user_name(directory, send.actor),
            shown.help,
        ]


def _cell(at: datetime | None) -> datetime | None:
    """A time as a workbook shows it: in the page's zone, to the second."""
    return words().local(at).replace(tzinfo=None, microsecond=0) if at else None
