"""What the third step shows: what is wrong with rows and what helps, who would be left out, and the budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg import Connection

from console.campaigns import texts
from console.campaigns.new.draft import Draft
from console.campaigns.new.heading import file_heading, heading_file
from console.campaigns.new.mapping import label_of, letters
from console.campaigns.new.message import CampaignPreview, shown_message
from console.campaigns.page.bars import LeftOut, address, skipped_causes
from console.request import translated, words
from domain.campaigns.budget import PeopleBudget
from domain.campaigns.campaign import Campaign, CampaignTemplate
from domain.campaigns.funnel import Funnel, RecipientFilter, funnel_of
from domain.contract.texts import gettext_noop
from domain.sending.templates import Template
from infra.postgres.campaigns import recipients
from infra.postgres.campaigns.budget import cost_at_most, people_budget_of
from infra.postgres.campaigns.counts import counts_of
from infra.postgres.campaigns.pages.checks import FirstProblem, first_problems

READING = ("importing", "planning")
_CURED = ("parameter_empty", "parameter_line_break")


class RowProblems(NamedTuple):
    """Rows with the same problem. `first`: the first of them, in words; `cure`: what the page can do about all of them:
    a value for `variable`, or line breaks that become spaces."""

    name: str
    n: int
    address: str
    first: str
    value: str
    help: str
    cure: str
    variable: str


class BudgetDay(NamedTuple):
    """So many people can be reached on a day. `width`: of its bar, in per cent."""

    name: str
    people: int
    width: float


class BudgetView(NamedTuple):
    """How a campaign fits into Meta's limit, and what it costs at most. `price`: amounts; `unpriced`: messages whose
    price is not known."""

    people: PeopleBudget
    days: Sequence[BudgetDay]
    price: Sequence[str]
    unpriced: int


@dataclass(frozen=True, slots=True)
class CheckView:
    """The third step. `reads`: rows are still being read or planned."""

    campaign: Campaign
    templates: Sequence[CampaignTemplate]
    funnel: Funnel
    problems: Sequence[RowProblems]
    left_out: Sequence[LeftOut]
    budget: BudgetView | None
    previews: Sequence[tuple[str, CampaignPreview]]
    reads: bool

    @property
    def good(self) -> int:
        return self.funnel.cell("unique").n

    @property
    def not_good(self) -> int:
        return self.funnel.rows - self.good

    @property
    def planned(self) -> int:
        return self.funnel.cell("planned").n


def check_view(
    conn: Connection[Any], campaign: Campaign, templates: Sequence[CampaignTemplate], draft: Draft
) -> CheckView:
    """Reads what the step shows."""
    funnel = funnel_of(counts_of(conn, campaign.id), [])
    reads = campaign.state in READING
    row = recipients.good_row(conn, campaign.id, None) if not reads else None
    shown = row.parameters if row is not None else {}
    heading = heading_file(conn, draft.values, file_heading([each.template for each in templates]))
    return CheckView(
        campaign,
        templates,
        funnel,
        _problems(conn, campaign, templates, draft, funnel),
        skipped_causes(campaign, funnel),
        _budget(conn, campaign, templates) if not reads else None,
        [(each.template.name, shown_message(each.template, shown, heading)) for each in templates],
        reads,
    )


def _problems(
    conn: Connection[Any],
    campaign: Campaign,
    templates: Sequence[CampaignTemplate],
    draft: Draft,
    funnel: Funnel,
) -> list[RowProblems]:
    found = {
        each.which.reason: each.n
        for each in funnel.reasons
        if each.which.state == "skipped" and each.which.reason and texts.is_problem(each.which.reason)
    }
    first = first_problems(conn, campaign.id, found)
    rows = []
    for reason, n in sorted(found.items(), key=lambda item: -item[1]):
        about = texts.problem(reason)
        at = first.get(reason)
        variable = _variable(draft, at) if reason == "parameter_empty" else ""
        cure = reason if reason in _CURED and (variable or reason != "parameter_empty") else ""
        where = address(campaign.id, RecipientFilter(state="skipped", reason=reason))
        value = (at.value or "") if at is not None else ""
        shown = _first(at, [each.template for each in templates], draft)
        rows.append(RowProblems(about.name, n, where, shown, value[:60], about.help, cure, variable))
    return rows


def _variable(draft: Draft, first: FirstProblem | None) -> str:
    """The variable that the column of the first row fills in."""
    place = first.place if first is not None else None
    return next((name for name, column in draft.parameters.items() if column == place), "")


def _first(first: FirstProblem | None, templates: Sequence[Template], draft: Draft) -> str:
    if first is None:
        return ""
    if first.repeats is not None:
        text = gettext_noop("row %(row)s is the same person as row %(repeats)s")
        found = {"row": words().number(first.row_no), "repeats": words().number(first.repeats)}
        return translated(text) % found
    row = words().number(first.row_no)
    if first.place is None:
        return translated(gettext_noop("row %(row)s")) % {"row": row}
    column = letters(first.place)
    variable = _variable(draft, first)
    if variable:
        column = f"{column}, {label_of(templates, variable)}"
    return translated(gettext_noop("row %(row)s, column %(column)s")) % {"row": row, "column": column}


def _budget(conn: Connection[Any], campaign: Campaign, templates: Sequence[CampaignTemplate]) -> BudgetView:
    people = people_budget_of(conn, campaign)
    cost = cost_at_most(conn, campaign, templates, words().now.date())
    days = [(words().now, people.now), *((share.at, share.people) for share in people.later)]
    most = max((n for _, n in days), default=0)
    return BudgetView(
        people,
        [BudgetDay(words().day_and_clock(at), n, round(100 * n / most, 1) if most else 0) for at, n in days[:8]],
        [words().money(amount, currency) for currency, amount in sorted(cost.amounts.items())],
        cost.unpriced,
    )
