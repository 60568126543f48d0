"""What `witiop doctor` finds about campaigns."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection

from domain.campaigns.calendar import opening
from domain.campaigns.campaign import BY_ITSELF, Campaign
from infra.postgres.campaigns import campaigns, counts, health
from infra.postgres.campaigns.answers import wrong_answer_counts
from infra.postgres.campaigns.health import CampaignAge
from infra.postgres.connections.clock import database_now
from witiop.operations.findings import Finding

IDLE_SECONDS = 60.0
"""The process looks at each campaign every second."""
STUCK_SECONDS = 900.0
"""A file with a million rows is read and planned in a quarter of that."""
FILE_SECONDS = 120.0
_RUN = "check that `witiop run campaigns` is running, and read its log"


class _Trouble(NamedTuple):
    what: str
    fix: str


def campaign_findings(database: Connection[Any]) -> Iterator[Finding]:
    """Yields the findings. Raises psycopg errors. O(recipients of the campaigns that are not over, and of the latest
    ones), whose counters are compared."""
    now = database_now(database)
    seconds = health.oldest_waiting_file(database)
    if seconds > FILE_SECONDS:
        what = f"a file with recipients has been waiting to be read for {seconds:.0f} s"
        yield Finding("campaigns", what, _RUN)
    ages = health.ages(database)
    for campaign in campaigns.at_work(database):
        age = ages.get(campaign.id)
        if age is None:
            continue
        trouble = _trouble(campaign, age, _waiting(campaign, age, now))
        if trouble is not None:
            yield Finding(f"campaign {campaign.id}", *trouble)
    compared = health.to_compare(database)
    for id_ in wrong_answer_counts(database, compared):
        fix = "what was answered to whom is right; report the case: docs/runbook.md says more"
        yield Finding(f"campaign {id_}", "its counters of answers are not the number of its answers", fix)
    for id_ in counts.wrong_counts(database, compared):
        fix = f"run in the database: {health.RECOUNT.format(id_)}"
        yield Finding(f"campaign {id_}", "its counters are not the number of its recipients", fix)


def _waiting(campaign: Campaign, age: CampaignAge, now: datetime) -> float:
    """Returns for how long messages have been due that may be sent where their recipients are."""
    before = now - timedelta(seconds=IDLE_SECONDS)
    open_ = [zone for zone in age.waiting if all(opening(campaign, zone, at).is_open for at in (before, now))]
    return max((float(age.waiting[zone]) for zone in open_), default=0.0)


def _trouble(campaign: Campaign, age: CampaignAge, waiting: float) -> _Trouble | None:
    """Returns what is wrong with a campaign; None: nothing."""
    match campaign.state:
        case "importing" | "planning" if age.seconds > STUCK_SECONDS:
            return _Trouble(f"it has been {campaign.state} for {age.seconds:.0f} s", _RUN)
        case "scheduled" if age.late > IDLE_SECONDS:
            return _Trouble(f"its start was due {age.late:.0f} s ago", _RUN)
        case "missed":
            return _Trouble(
                "it was to start while nothing ran; nobody gets it before a person decides",
                f"run witiop campaigns start {campaign.id}, or cancel it",
            )
        case "paused" if campaign.changed_by == BY_ITSELF:
            why = ": ".join(part for part in (campaign.reason, campaign.detail) if part)
            return _Trouble(
                f"it paused itself ({why})", f"mend the cause, then run witiop campaigns resume {campaign.id}"
            )
        case "paused" | "cancelled" if age.withheld and age.seconds > IDLE_SECONDS:
            return _Trouble(f"it is {campaign.state}, and messages of it still wait at the sender", _RUN)
        case "running" if age.late > IDLE_SECONDS:
            return _Trouble(f"what became of its first messages was to be judged {age.late:.0f} s ago", _RUN)
        case "running" if campaign.canary_until is None and waiting > IDLE_SECONDS:
            return _Trouble(f"recipients have been due for {waiting:.0f} s, and none is at the sender", _RUN)
        case _:
            return None
