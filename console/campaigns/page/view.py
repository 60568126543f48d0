"""What a campaign's page shows: the state in words, how far everything came, and why not further."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from console.campaigns import texts
from console.campaigns.found import found_words
from console.campaigns.page.bars import (
    Bar,
    LeftOut,
    address,
    bars_of,
    cell_name,
    failed_causes,
    part_text,
    red_bar,
    skipped_causes,
    unknown_cause,
)
from console.campaigns.page.standing import answers_of, line_of, progress_of
from console.phrases import owner_name
from console.request import translated, words
from domain.campaigns.campaign import BY_ITSELF, Campaign, CampaignTemplate
from domain.campaigns.funnel import Funnel, FunnelCell, RecipientFilter, funnel_of, variants_of, waves_of
from domain.campaigns.waves import RetryPreview, retry_preview
from domain.contract.texts import gettext_noop
from domain.directory import Directory
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.answers import AnswerCount, answer_counts_of
from infra.postgres.campaigns.budget import cost_so_far, waits_for_limit_until
from infra.postgres.campaigns.campaigns import CampaignLogEntry
from infra.postgres.campaigns.counts import RecipientCount, counts_of
from infra.postgres.campaigns.waves import waiting_to_retry

_WAVED = ("running", "paused", "finishing", "finished")


class Happened(NamedTuple):
    """An entry of the log. `note`: what a person wrote, or what was found."""

    at: datetime
    text: str
    note: str


class Linked(NamedTuple):
    """A number, and the address of those whom it counts. `what`: its heading."""

    what: str
    n: int
    address: str


class WaveRow(NamedTuple):
    """A wave, or a template that is compared. `share`: of the delivered, who answered."""

    name: str
    people: Linked
    delivered: Linked
    answered: Linked
    share: str


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign as its page shows it. `later`: reason -> recipients whose message can only succeed later; `cost`: what
    it has cost so far, empty: not known; `unpriced`: messages that are not in it; `waits_until`: when it goes on, if it
    waits for Meta's limit of people a day."""

    campaign: Campaign
    templates: Sequence[CampaignTemplate]
    funnel: Funnel
    bars: Sequence[Bar]
    red: Bar
    sum: Sequence[tuple[str, str]]
    skipped: Sequence[LeftOut]
    failed: Sequence[LeftOut]
    unknown: LeftOut
    waves: Sequence[WaveRow]
    variants: Sequence[WaveRow]
    log: Sequence[Happened]
    line: str
    progress: str
    done: int
    todo: int
    answers: str
    counts: Sequence[RecipientCount]
    retry: RetryPreview
    later: Mapping[str, int]
    cost: str
    unpriced: int
    waits_until: datetime | None

    @property
    def detail(self) -> str:
        """What was found, or what a person wrote, when it came into its state."""
        detail = self.campaign.detail or ""
        return found_words(detail) if self.campaign.changed_by == BY_ITSELF else detail

    @property
    def may_wave(self) -> bool:
        """Whether another wave can be started now."""
        return self.campaign.state in _WAVED and self.campaign.work is None

    @property
    def all_failed(self) -> LeftOut:
        """Those whose message failed, whatever the reason."""
        return self._all(gettext_noop("Failed"), self.failed, RecipientFilter(state="failed"))

    @property
    def all_skipped(self) -> LeftOut:
        """Those to whom nothing was sent, whatever the reason."""
        return self._all(gettext_noop("Skipped: nothing was sent"), self.skipped, RecipientFilter(cell="skipped"))

    @property
    def rows(self) -> Linked:
        """All rows of the file."""
        return Linked(cell_name("rows"), self.funnel.rows, address(self.campaign.id, RecipientFilter(cell="rows")))

    def _all(self, name: str, causes: Sequence[LeftOut], which: RecipientFilter) -> LeftOut:
        return LeftOut(translated(name), "", sum(each.n for each in causes), address(self.campaign.id, which))


def campaign_view(conn: Connection[Any], campaign: Campaign, directory: Directory) -> CampaignView:
    """Reads what the page shows. O(counters, and those whose message can only succeed later; and the people that were
    reached in the last 24 hours, if Meta limits them and the campaign runs)."""
    counts, answers = counts_of(conn, campaign.id), answer_counts_of(conn, campaign.id)
    templates = campaigns.templates_of(conn, campaign)
    funnel = funnel_of(counts, answers)
    planned, waiting = funnel.cell("planned").n, _to_do(counts)
    later = waiting_to_retry(conn, campaign.id)
    cost, waits_until = cost_so_far(conn, campaign), waits_for_limit_until(conn, campaign) if waiting else None
    done = planned - waiting - sum(each.n for each in counts if each.state == "cancelled")
    return CampaignView(
        campaign,
        templates,
        funnel,
        bars_of(campaign, funnel),
        red_bar(campaign, funnel),
        [(part_text(each), address(campaign.id, each.which)) for each in funnel.parts if each.n],
        skipped_causes(campaign, funnel),
        failed_causes(campaign, counts),
        unknown_cause(campaign, counts),
        _waves(campaign, counts, answers),
        _variants(campaign, templates, counts, answers),
        _log(campaigns.log_of(conn, campaign.id), directory),
        line_of(campaign, templates, directory),
        progress_of(campaign, directory, counts, waiting, waits_until),
        done,
        planned,
        answers_of(campaign, directory),
        counts,
        retry_preview(counts, later.by_code, later.first, later.last),
        later.by_code,
        " + ".join(words().money(amount, currency) for currency, amount in sorted(cost.amounts.items())),
        cost.unpriced,
        waits_until,
    )


def _to_do(counts: Iterable[RecipientCount]) -> int:
    return sum(each.n for each in counts if each.state in ("planned", "deferred", "claimed"))


def _waves(campaign: Campaign, counts: Sequence[RecipientCount], answers: Sequence[AnswerCount]) -> list[WaveRow]:
    return [
        _wave_row(campaign, str(wave), RecipientFilter(wave=wave), funnel)
        for wave, funnel in waves_of(counts, answers).items()
    ]


def _variants(
    campaign: Campaign,
    templates: Sequence[CampaignTemplate],
    counts: Sequence[RecipientCount],
    answers: Sequence[AnswerCount],
) -> list[WaveRow]:
    """The templates that are compared; empty: there is only one."""
    if len(templates) == 1:
        return []
    funnels = variants_of(counts, answers)
    return [
        _wave_row(
            campaign,
            f"{each.template.name} · {each.template.language}",
            RecipientFilter(variant=each.variant),
            funnels.get(each.variant) or funnel_of([], [], variant=each.variant),
        )
        for each in templates
    ]


def _wave_row(campaign: Campaign, name: str, which: RecipientFilter, funnel: Funnel) -> WaveRow:
    cells: tuple[FunnelCell, ...] = ("planned", "delivered", "answered")
    people, delivered, answered = (
        Linked(cell_name(each), funnel.cell(each).n, address(campaign.id, which._replace(cell=each))) for each in cells
    )
    share = words().percent(answered.n, delivered.n) if delivered.n else "–"
    return WaveRow(name, people, delivered, answered, share)


def _log(entries: Sequence[CampaignLogEntry], directory: Directory) -> list[Happened]:
    """What happened, the earliest first."""
    found, was_paused = [], False
    for each in reversed(entries):
        text = texts.happened(directory, each.event, each.actor, each.reason, again=was_paused)
        was_paused = each.event == "paused" or (was_paused and each.event != "running")
        found.append(Happened(each.at, text, _note(each, directory)))
    return found


def _note(entry: CampaignLogEntry, directory: Directory) -> str:
    if entry.event == "answers":
        kind, _, target = (entry.detail or "").partition(" ")
        return owner_name(directory, kind, target) if target else translated(gettext_noop("nobody in particular"))
    if entry.event == "resolved":
        count = int(entry.detail) if entry.detail and entry.detail.isdecimal() else 0
        if entry.reason == "send_again":
            text = words().ngettext("%(num)s will be sent again", "%(num)s will be sent again", count)
        else:
            text = words().ngettext("%(num)s counts as arrived", "%(num)s count as arrived", count)
        return text % {"num": words().number(count)}
    if entry.detail and entry.actor != BY_ITSELF:
        return f"“{entry.detail}”"
    return found_words(entry.detail or "")
