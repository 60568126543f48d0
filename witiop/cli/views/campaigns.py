"""Renders campaigns for people, and as plain JSON values for programs. Keys of documents are only added."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from rich.text import Text

from domain.campaigns.campaign import Campaign, CampaignTemplate
from domain.campaigns.document import campaign_document
from domain.campaigns.funnel import Counted, Funnel, funnel_of
from domain.campaigns.prices import Cost
from domain.contract.campaign_texts import file_problem_text, skipped_text
from domain.times import rfc3339
from infra.postgres.campaigns.answers import AnswerCount
from infra.postgres.campaigns.campaigns import CampaignLogEntry
from infra.postgres.campaigns.counts import RecipientCount
from infra.postgres.campaigns.listing import ListedRecipient, RecipientPage
from infra.postgres.campaigns.pages.history import CampaignPage, ListedCampaign
from witiop.cli.views.display import aligned, harmless, utc_minute


@dataclass(frozen=True, slots=True)
class ShownCampaign:
    """A campaign with all that is shown of it. `log`: the latest entry first; `cost`: so far; `waits_until`: when it
    goes on, if it waits for Meta's limit of people a day."""

    campaign: Campaign
    templates: Sequence[CampaignTemplate]
    counts: Sequence[RecipientCount]
    answers: Sequence[AnswerCount]
    log: Sequence[CampaignLogEntry]
    cost: Cost
    waits_until: datetime | None

    @property
    def funnel(self) -> Funnel:
        return funnel_of(self.counts, self.answers)


# lists


def campaign_lines(page: CampaignPage) -> list[Text]:
    """Returns the lines of a page of the list."""
    if not page.rows:
        return [Text("There are no campaigns.")]
    head = [
        Text(title, "bold")
        for title in ("ID", "STATE", "CREATED (UTC)", "NAME", "TEMPLATE", "ROWS", "ACCEPTED", "ANSWERED", "UNMANAGED")
    ]
    rows = [
        [
            Text(str(row.id), "dim"),
            Text(" ".join(filter(None, (row.state, row.reason and f"({row.reason})")))),
            Text(utc_minute(row.created_at)),
            Text(harmless(row.name)),
            Text(harmless(f"{row.template} ({row.language})" + (f" and {row.variants - 1} more" * (row.variants > 1)))),
            *(Text(f"{number:,}") for number in (row.rows, row.accepted, row.answered)),
            Text(f"{row.unmanaged:,}", "red" if row.unmanaged else ""),
        ]
        for row in page.rows
    ]
    more = [Text(), Text(f"next page: --after {page.next}", "dim")] if page.next else []
    return [*aligned([head, *rows]), *more]


def listed_document(row: ListedCampaign) -> dict[str, Any]:
    """Returns a row of the list."""
    return plain(row._asdict())


def recipient_lines(page: RecipientPage) -> list[Text]:
    """Returns the lines of a page of recipients."""
    if not page.recipients:
        return [Text("There are no such recipients.")]
    head = [Text(title, "bold") for title in ("ROW", "STATE", "REASON", "TO", "NAME", "WAVE", "ANSWER", "CONVERSATION")]
    rows = [[Text(str(cell)) for cell in recipient_cells(each)] for each in page.recipients]
    more = [Text(), Text(f"next page: --after {page.next}", "dim")] if page.next else []
    return [*aligned([head, *rows]), *more]


def recipient_cells(row: ListedRecipient) -> list[str | int]:
    """Returns what is shown of a recipient."""
    reason = f"{row.reason} of row {row.repeats}" if row.repeats is not None and row.reason else row.reason
    return [
        row.row_no,
        row.state,
        reason or "",
        harmless(row.address or ""),
        harmless(row.name or ""),
        row.wave,
        f"{row.outcome} ({row.proof})" if row.outcome else "",
        str(row.conversation_id or ""),
    ]


def recipient_document(row: ListedRecipient) -> dict[str, Any]:
    """Returns a recipient of the list."""
    return plain(asdict(row))


# one campaign


def shown_document(shown: ShownCampaign) -> dict[str, Any]:
    """Returns a campaign with its funnel and its log."""
    funnel = shown.funnel
    return {
        **campaign_document(shown.campaign, shown.counts, shown.answers),
        "templates": [{"name": each.template.name, "language": each.template.language} for each in shown.templates],
        "into_active": shown.campaign.into_active,
        "terms": dict(shown.campaign.terms),
        "answers_to": shown.campaign.answers_to and dict(shown.campaign.answers_to),
        "work": shown.campaign.work and dict(shown.campaign.work),
        "funnel": {each.name: each.n for each in (*funnel.steps, funnel.held, *funnel.answers, funnel.unmanaged)},
        "cost_so_far": {
            "amounts": {currency: str(amount) for currency, amount in shown.cost.amounts.items()},
            "unpriced": shown.cost.unpriced,
        },
        "waits_for_limit_until": shown.waits_until and rfc3339(shown.waits_until),
        "parts": {each.name: each.n for each in funnel.parts},
        "reasons": [
            {"state": each.which.state, "reason": each.which.reason or None, "recipients": each.n}
            for each in funnel.reasons
        ],
        "log": [plain(entry._asdict()) for entry in shown.log],
    }


def shown_lines(shown: ShownCampaign) -> Iterator[Text]:
    """Yields the lines of a campaign."""
    campaign, funnel = shown.campaign, shown.funnel
    yield Text.assemble((harmless(campaign.name), "bold"), "  ", _state(campaign))
    yield from aligned([[Text(title, "dim"), Text(harmless(text))] for title, text in _head(shown)])
    yield Text()
    yield Text("Funnel", "bold")
    yield from _numbers((*funnel.steps, *funnel.answers))
    if funnel.held.n:
        yield from _numbers([funnel.held])
    if funnel.unmanaged.n:
        yield Text(f"  answered but unmanaged  {funnel.unmanaged.n:,}", "bold red")
    yield Text()
    yield Text("What became of the rows", "bold")
    yield from _numbers([each for each in funnel.parts if each.n])
    if funnel.reasons:
        yield Text()
        yield Text("Why", "bold")
        rows = [
            [Text(f"  {each.which.state}"), Text(harmless(each.which.reason or "")), Text(f"{each.n:,}")]
            for each in funnel.reasons
        ]
        yield from aligned(rows)
    yield Text()
    yield Text("Log", "bold")
    yield from (
        aligned(
            [
                [
                    Text(f"  {entry.at:%Y-%m-%d %H:%M:%S}"),
                    Text(entry.event),
                    Text(harmless(f"by {entry.actor}")),
                    Text(harmless(": ".join(part for part in (entry.reason, entry.detail) if part))),
                ]
                for entry in shown.log
            ]
        )
        if shown.log
        else ()
    )


def import_lines(shown: ShownCampaign) -> Iterator[Text]:
    """Yields the lines that tell what became of the rows of a file."""
    campaign, funnel = shown.campaign, shown.funnel
    bad = funnel.rows - funnel.cell("unique").n
    yield Text.assemble(f"campaign {campaign.id} is ", (_state(campaign), "bold"))
    yield Text(f"{funnel.cell('unique').n:,} good, {bad:,} not; {funnel.cell('planned').n:,} would get it")
    rows = [
        [Text(f"  {each.n:,}"), Text(harmless(each.which.reason)), Text(_about(each.which.reason), "dim")]
        for each in funnel.reasons
        if each.which.state == "skipped" and each.which.reason
    ]
    yield from aligned(rows) if rows else ()
    if campaign.reason == "import_failed":
        yield Text(file_problem_text(campaign.detail, None), "red")
    if bad:
        yield Text(f"see them with: witiop campaigns recipients {campaign.id} --state skipped", "dim")
    if campaign.state == "ready":
        yield Text(f"start it with: witiop campaigns start {campaign.id}", "dim")


def _about(reason: str) -> str:
    name, helps = skipped_text(reason)
    return f"{name}. {helps}" if helps else name


def _state(campaign: Campaign) -> str:
    why = ": ".join(harmless(part) for part in (campaign.reason, campaign.detail) if part)
    return f"{campaign.state} ({why})" if why else campaign.state


def _head(shown: ShownCampaign) -> Iterator[tuple[str, str]]:
    campaign = shown.campaign
    yield "id", str(campaign.id)
    yield "number", campaign.phone_number_id
    yield "templates", ", ".join(f"{each.template.name} ({each.template.language})" for each in shown.templates)
    yield "created", f"{utc_minute(campaign.created_at)} UTC by {campaign.actor}"
    if campaign.start_at is not None:
        own = " in each recipient's own time zone" if campaign.in_own_time else ""
        yield "starts", f"{utc_minute(campaign.start_at)} UTC{own}"
    if campaign.started_at is not None:
        yield "started", f"{utc_minute(campaign.started_at)} UTC by {campaign.started_by or campaign.actor}"
    if campaign.ended_at is not None:
        yield "ended", f"{utc_minute(campaign.ended_at)} UTC"
    if campaign.canary_until is not None:
        yield "tried out", f"the first messages are judged at {utc_minute(campaign.canary_until)} UTC"
    if shown.waits_until is not None:
        yield "waits", f"for Meta's limit of people a day, until {utc_minute(shown.waits_until)} UTC"
    if shown.cost.amounts:
        amounts = ", ".join(f"{currency} {amount:,.2f}" for currency, amount in sorted(shown.cost.amounts.items()))
        unpriced = f"; {shown.cost.unpriced:,} without a known price" if shown.cost.unpriced else ""
        yield "cost so far", f"{amounts} for {shown.funnel.cell('delivered').n:,} delivered{unpriced}"
    if campaign.wave > 1:
        yield "wave", str(campaign.wave)
    if campaign.answers_to is not None:
        target = campaign.answers_to["target"]
        yield "answers to", f"{target['kind']} {target['id']}"
    yield "version", str(campaign.version)


def _numbers(counted: Iterable[Counted]) -> list[Text]:
    rows = [[Text(f"  {each.name.replace('_', ' ')}"), Text(f"{each.n:,}")] for each in counted]
    return aligned(rows) if rows else []


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values as JSON has them."""
    return {name: _json(value) for name, value in values.items()}


def _json(value: object) -> object:
    match value:
        case datetime():
            return rfc3339(value)
        case UUID():
            return str(value)
        case _:
            return value
