"""The four steps of a new campaign, each with its own result."""

from collections.abc import Sequence
from typing import NamedTuple

from flask import url_for

from console.campaigns.new.draft import Draft
from console.request import translated, words
from domain.campaigns.campaign import STARTABLE, UNSTARTED, Campaign, CampaignTemplate
from domain.campaigns.funnel import Funnel
from domain.contract.texts import gettext_noop

_NAMES = (
    gettext_noop("Template"),
    gettext_noop("Recipients"),
    gettext_noop("Check and test"),
    gettext_noop("Start"),
)


class Step(NamedTuple):
    """A step. `result`: what came of it; `address`: where it is done again; empty: it cannot be opened now."""

    number: int
    name: str
    result: str
    address: str
    is_done: bool


def steps(results: Sequence[str], addresses: Sequence[str], done: int) -> list[Step]:
    """The steps with what came of them, of which `done` are done."""
    return [
        Step(n, translated(name), result, address, n <= done)
        for n, (name, result, address) in enumerate(zip(_NAMES, results, addresses, strict=True), 1)
    ]


def steps_of_draft(draft: Draft, recipients: str) -> list[Step]:
    """The steps before a campaign is created. `recipients`: what came of the second."""
    chosen = draft.templates[0] if draft.templates and draft.source else None
    return steps(
        (f"{chosen.name} · {chosen.language}" if chosen else "", recipients, "", ""),
        (url_for("new_campaign.show", number=draft.number), "", "", ""),
        1 if chosen else 0,
    )


def steps_of_campaign(
    campaign: Campaign, templates: Sequence[CampaignTemplate], funnel: Funnel, here: int, change: str
) -> list[Step]:
    """The steps once the campaign exists. `here`: the one that is shown; `change`: the address of the draft from which
    it was created. Before the start the first two can be done again: another campaign then takes its place."""
    first = templates[0].template
    speech, planned = words(), funnel.cell("planned").n
    rows = speech.ngettext("%(num)s row", "%(num)s rows", funnel.rows) % {"num": speech.number(funnel.rows)}
    people = speech.ngettext("%(num)s person", "%(num)s people", planned) % {"num": speech.number(planned)}
    when = words().day_and_clock(campaign.start_at) if campaign.start_at else ""
    start = url_for("start.ask_start", id_=campaign.id)
    may_change, may_start = campaign.state in UNSTARTED, campaign.state in STARTABLE
    return steps(
        (f"{first.name} · {first.language}", rows, people if planned else "", when),
        (
            url_for("new_campaign.show", number=campaign.phone_number_id) if may_change else "",
            change if may_change else "",
            url_for("check.show", id_=campaign.id),
            start if planned and may_start else "",
        ),
        here - 1,
    )
