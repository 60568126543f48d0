"""The first messages of a large campaign: the others follow only if these went well (docs/design/campaigns.md,
*First messages*)."""

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from domain.campaigns.campaign import Campaign
from domain.campaigns.document import StateCount

WAIT = timedelta(minutes=15)
"""After the last of the first messages was posted, until they are judged: most statuses have come by then."""
_FAILED = 0.10
_UNDELIVERABLE = 0.05
_UNKNOWN = 0.01
_NOT_REACHED = ("131026", "131050")
"""Meta's codes of people who cannot be reached, or do not want to be: too many of them, and the list is a bad one."""
_NOT_POSTED = frozenset({"imported", "planned", "deferred", "claimed", "skipped", "cancelled"})


class CanaryTerms(NamedTuple):
    """The usual number of first messages, and from how many recipients on a campaign has them."""

    size: int = 200
    from_recipients: int = 1000


class CanaryOutcome(NamedTuple):
    """What became of the first messages. `not_reached`: those that failed because the person cannot be reached or does
    not want to be."""

    posted: int
    failed: int
    not_reached: int
    unknown: int


def canary_size(campaign: Campaign, terms: CanaryTerms) -> int:
    """Returns how many messages of a campaign are sent first; 0: all are sent at once."""
    wanted = campaign.terms.get("canary")
    if wanted is None:
        wanted = terms.size if campaign.recipients >= terms.from_recipients else 0
    return int(wanted) if wanted < campaign.recipients else 0


def canary_outcome(counts: Iterable[StateCount]) -> CanaryOutcome:
    """Returns what became of the messages that were posted so far."""
    posted = failed = not_reached = unknown = 0
    for count in counts:
        if count.state in _NOT_POSTED:
            continue
        posted += count.n
        if count.state == "failed":
            failed += count.n
            not_reached += count.n if count.reason in _NOT_REACHED else 0
        elif count.state == "unknown":
            unknown += count.n
    return CanaryOutcome(posted, failed, not_reached, unknown)


def canary_problem(outcome: CanaryOutcome) -> str | None:
    """Returns what is wrong with the first messages, for people; None: the others may follow."""
    posted, failed, not_reached, unknown = outcome
    if failed > _FAILED * posted:
        return f"{failed} of the first {posted} messages failed"
    if not_reached > _UNDELIVERABLE * posted:
        return f"{not_reached} of the first {posted} people cannot be reached or want no messages"
    if unknown > _UNKNOWN * posted:
        return f"of {unknown} of the first {posted} messages nobody knows whether they were sent"
    return None
