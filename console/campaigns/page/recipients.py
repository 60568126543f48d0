"""`/campaigns/ID/recipients`: the recipients that a number counts, each with what happened and why; and all of them as
a workbook."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from psycopg import Connection
from werkzeug.datastructures import MultiDict

from console import gate
from console.campaigns import texts
from console.campaigns.page.bars import cell_name
from console.campaigns.page.pages import found_campaign
from console.campaigns.workbooks import download_workbook
from console.dependencies import Dependencies
from console.request import person, translated, words
from console.table.query import ROWS, chosen_rows
from console.words import phone
from domain.campaigns.campaign import Campaign, CampaignTemplate
from domain.campaigns.funnel import FUNNEL_CELLS, RecipientFilter, funnel_of
from domain.campaigns.recipients import RECIPIENT_STATES
from domain.contract.texts import gettext_noop
from domain.phone_numbers import phone_key, read_phone
from infra.postgres.campaigns import campaigns, listing
from infra.postgres.campaigns.answers import answer_counts_of
from infra.postgres.campaigns.counts import counts_of
from infra.postgres.campaigns.listing import ListedRecipient
from infra.postgres.campaigns.pages.search import row_of_phone
from infra.sheets.workbook import Cell

_AT_ONCE = 2000
_LONGEST_NUMBER = 9
_HIGHEST_WAVE = 2**15 - 1
"""As the database stores it, and the number of a variant."""
_COLUMNS = (
    (gettext_noop("Row"), 8),
    (gettext_noop("Phone"), 22),
    (gettext_noop("Name"), 24),
    (gettext_noop("State"), 24),
    (gettext_noop("Why"), 48),
    (gettext_noop("Code"), 10),
    (gettext_noop("Template"), 24),
    (gettext_noop("Wave"), 8),
    (gettext_noop("Sent at"), 20),
    (gettext_noop("Answered at"), 20),
    (gettext_noop("What became of the answer"), 28),
)
_OUTCOMES = {
    "waiting": gettext_noop("waits for somebody"),
    "unmanaged": gettext_noop("unmanaged: nobody was there"),
    "human": gettext_noop("reached a human"),
    "resolved": gettext_noop("resolved"),
}


class RecipientRow(NamedTuple):
    """A recipient as the page shows it."""

    of: ListedRecipient
    who: str
    state: str
    why: str
    outcome: str


def recipient_pages(deps: Dependencies) -> Blueprint:
    """`/campaigns/ID/recipients` and `/campaigns/ID.xlsx`."""
    pages = Blueprint("campaign_recipients", __name__)

    @pages.get("/campaigns/<uuid:id_>/recipients")
    @gate.open_to("campaigns")
    def show(id_: UUID) -> ResponseReturnValue:
        which = recipient_filter(request.args)
        typed = " ".join(request.args.get("q", "").replace("\0", "").split())[:60]
        rows, after = _rows(request.args.get("rows", "")), _number(request.args.get("after", "")) or 0
        wa_id = read_phone(typed) if typed else None
        with deps.connection() as conn:
            campaign = found_campaign(conn, id_)
            directory = deps.directory(conn)
            templates = campaigns.templates_of(conn, campaign)
            counts = counts_of(conn, id_)
            total = _total(conn, campaign, which)
            if typed:
                row = row_of_phone(conn, campaign, phone_key(wa_id)) if wa_id else None
                found = listing.page(conn, id_, RecipientFilter(), 1, row - 1).recipients if row else []
                following = None
            else:
                page = listing.page(conn, id_, which, rows, after)
                found, following = page.recipients, page.next
        return render_template(
            "campaigns/recipients.html",
            campaign=campaign,
            directory=directory,
            texts=texts,
            title=_title(which),
            args=filter_args(which),
            which=which,
            found=[recipient_row(each) for each in found],
            templates=templates,
            next=following,
            after=after,
            total=total,
            all=sum(each.n for each in counts),
            typed=typed,
            readable=wa_id is not None,
            rows=rows,
            choices=ROWS,
            is_root=person().level == "tenant_administrator",
        )

    @pages.get("/campaigns/<uuid:id_>.xlsx")
    @gate.open_to("campaigns")
    def workbook(id_: UUID) -> ResponseReturnValue:
        which = recipient_filter(request.args)
        with deps.connection() as conn:
            campaign = found_campaign(conn, id_)
            templates = campaigns.templates_of(conn, campaign)
        return download_workbook(
            deps,
            f"campaign-{campaign.name}",
            campaign.name,
            [(translated(name), width) for name, width in _COLUMNS],
            lambda conn: _workbook_rows(conn, campaign, templates, which),
            what="campaign",
            campaign=str(id_),
            **filter_args(which),
        )

    return pages


def recipient_filter(given: "MultiDict[str, str]") -> RecipientFilter:
    """The recipients that an address means. Invalid values are ignored."""
    cell, state, reason = given.get("cell"), given.get("state"), given.get("reason")
    return RecipientFilter(
        cell=cell if cell in FUNNEL_CELLS else None,
        state=state if state in RECIPIENT_STATES else None,
        reason=reason.replace("\0", "")[:60] if reason is not None else None,
        wave=_number(given.get("wave", ""), _HIGHEST_WAVE),
        variant=_number(given.get("variant", ""), _HIGHEST_WAVE),
    )


def filter_args(which: RecipientFilter) -> dict[str, Any]:
    """Arguments for `url_for`."""
    return {name: value for name, value in which._asdict().items() if value is not None}


def recipient_row(of: ListedRecipient) -> RecipientRow:
    """A recipient in words."""
    why = texts.recipient_reason(of.state, of.reason)
    if of.repeats is not None:
        why = translated(gettext_noop("the same person as row %(row)s")) % {"row": of.repeats}
    return RecipientRow(of, _who(of), texts.recipient_state(of.state), why, _outcome(of))


def _who(of: ListedRecipient) -> str:
    if of.address is None:
        return "–"
    return phone(of.address) if of.address_kind == "phone" else of.address


def _outcome(of: ListedRecipient) -> str:
    return translated(_OUTCOMES[of.outcome]) if of.outcome else ""


def _title(which: RecipientFilter) -> str:
    """What is counted, in words."""
    parts = []
    if which.cell is not None and which.cell != "rows":
        parts.append(cell_name(which.cell))
    if which.state is not None:
        name = texts.recipient_state(which.state)
        parts.append(f"{name[:1].upper()}{name[1:]}")
    if which.reason:
        parts.append(texts.failed(which.reason).name if which.state == "failed" else _reason(which))
    if which.wave is not None:
        parts.append(translated(gettext_noop("Wave %(n)s")) % {"n": which.wave})
    return ": ".join(parts) or translated(gettext_noop("All recipients"))


def _reason(which: RecipientFilter) -> str:
    return texts.recipient_reason(which.state or "", which.reason)


def _total(conn: Connection[Any], campaign: Campaign, which: RecipientFilter) -> int:
    """How many there are. O(counters)."""
    counts, answers = counts_of(conn, campaign.id), answer_counts_of(conn, campaign.id)
    if which.outcomes is None:
        return sum(each.n for each in counts if which.takes(each))
    funnel = funnel_of(counts, answers, wave=which.wave, variant=which.variant)
    return funnel.cell(which.cell).n if which.cell is not None else funnel.rows


def _workbook_rows(
    conn: Connection[Any], campaign: Campaign, templates: Sequence[CampaignTemplate], which: RecipientFilter
) -> Iterator[Sequence[Cell]]:
    names: Mapping[int, str] = {each.variant: each.template.name for each in templates}
    after: int | None = 0
    while after is not None:
        page = listing.page(conn, campaign.id, which, _AT_ONCE, after)
        for each in map(recipient_row, page.recipients):
            yield [
                each.of.row_no,
                each.who,
                each.of.name or "",
                each.state,
                each.why,
                each.of.reason or "",
                names.get(each.of.variant, "") if each.of.state != "skipped" else "",
                each.of.wave,
                _local(each.of.accepted_at),
                _local(each.of.answered_at),
                each.outcome,
            ]
        after = page.next


def _local(at: datetime | None) -> datetime | None:
    return words().local(at).replace(tzinfo=None, microsecond=0) if at else None


def _rows(text: str) -> int:
    return chosen_rows(text) or person().page_rows


def _number(text: str, most: int = 10**_LONGEST_NUMBER) -> int | None:
    is_one = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER
    return int(text) if is_one and int(text) <= most else None
