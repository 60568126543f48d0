"""When a running campaign is paused by itself: too much of it fails, or Meta says that something is wrong (docs/design/
campaigns.md, *Watching*)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from domain.campaigns.campaign import Campaign, CampaignReason
from domain.campaigns.document import StateCount

WINDOW = 200
"""Failures are judged among so many messages."""
STEP = 50
"""What was seen is noted each time that so many more were posted: the window is at most so much longer."""
_FAILED_FOR_ONE_CODE = 0.10
_UNKNOWN = 0.01
_SETTLED_PER_EVENT = 1000
_UNSETTLED = frozenset({"imported", "planned", "deferred", "claimed"})
_NOT_POSTED = frozenset({*_UNSETTLED, "skipped", "cancelled"})
_BAD_NUMBER = ("RED", "FLAGGED")
_BAD_TEMPLATE = ("RED",)


class Seen(NamedTuple):
    """What had become of a campaign's messages at a moment. `failed`: reason -> messages."""

    posted: int
    unknown: int
    failed: Mapping[str, int]


class PauseReason(NamedTuple):
    """Why a campaign is paused. `detail`: for people."""

    reason: CampaignReason
    detail: str


class TemplateNow(NamedTuple):
    """A template of a campaign as Meta says it is now. `status`: None: there is none any more; `is_as_planned`: its
    text is the one that the campaign was created with."""

    name: str
    language: str
    status: str | None
    category: str
    planned_category: str
    is_as_planned: bool
    quality: str


class NumberNow(NamedTuple):
    """A campaign's number as Meta says it is now. `stopped`: why nothing is sent from it before a person has mended
    something; None: it may send."""

    quality: str
    stopped: str | None


def seen_in(counts: Iterable[StateCount]) -> Seen:
    """Returns what has become of a campaign's messages."""
    posted = unknown = 0
    failed: dict[str, int] = {}
    for count in counts:
        if count.state in _NOT_POSTED:
            continue
        posted += count.n
        if count.state == "failed":
            failed[count.reason] = failed.get(count.reason, 0) + count.n
        elif count.state == "unknown":
            unknown += count.n
    return Seen(posted, unknown, failed)


def noted(before: Sequence[Seen], now: Seen) -> list[Seen]:
    """Returns what is kept of what was seen, the oldest first: enough to look back over one window. It begins again
    when messages that failed are to be posted again: those that fail from then on count."""
    if before and now.posted < before[-1].posted:
        return [now]
    if before and now.posted < before[-1].posted + STEP:
        return list(before)
    kept = [*before, now]
    while len(kept) > 1 and kept[1].posted <= now.posted - WINDOW:
        kept.pop(0)
    return kept


def too_many_failures(before: Sequence[Seen], now: Seen) -> PauseReason | None:
    """Returns why too much of a campaign failed while its last messages were posted; None: not too much did. Statuses
    come seconds later, so they are not compared with the very messages that they are about."""
    old = next((seen for seen in reversed(before) if seen.posted <= now.posted - WINDOW), None)
    if old is None:
        return None
    posted = now.posted - old.posted
    for reason, failed in sorted(now.failed.items()):
        more = failed - old.failed.get(reason, 0)
        if more > _FAILED_FOR_ONE_CODE * posted:
            return PauseReason("failures", f"{more} of the last {posted} messages failed with {reason or 'no code'}")
    unknown = now.unknown - old.unknown
    if unknown > _UNKNOWN * posted:
        return PauseReason(
            "unknowns", f"of {unknown} of the last {posted} messages nobody knows whether they were sent"
        )
    return None


def trouble_at_meta(
    campaign: Campaign, templates: Iterable[TemplateNow], number: NumberNow | None
) -> PauseReason | None:
    """Returns what Meta says that a campaign is paused for; None: nothing that nobody has accepted by resuming it."""
    tolerated = campaign.tolerated or {}
    for template in templates:
        name = f"{template.name} ({template.language})"
        if template.status != "APPROVED":
            return PauseReason("template_changed", f"{name}: {(template.status or 'deleted').lower()}")
        if template.category != template.planned_category:
            was, is_ = template.planned_category.lower(), template.category.lower()
            return PauseReason("template_changed", f"{name}: category {was} became {is_}")
        if not template.is_as_planned:
            return PauseReason("template_changed", f"{name}: its text was edited")
        if template.quality in _BAD_TEMPLATE:
            bad = PauseReason("template_quality", f"{name}: {template.quality.lower()}")
            if tolerated.get(bad.reason) != bad.detail:
                return bad
    if number is not None and number.stopped is not None:
        return PauseReason("number_paused", number.stopped)
    if number is not None and number.quality in _BAD_NUMBER:
        bad = PauseReason("number_quality", number.quality.lower())
        if tolerated.get(bad.reason) != bad.detail:
            return bad
    return None


def settled_thousands(counts: Iterable[StateCount]) -> int:
    """Returns how many thousands of a campaign's recipients are settled: an event tells of each."""
    return sum(count.n for count in counts if count.state not in _UNSETTLED) // _SETTLED_PER_EVENT


def seen_from(watch: Mapping[str, Any] | None) -> list[Seen]:
    """Returns what was noted, as it is stored."""
    return [Seen(posted, unknown, failed) for posted, unknown, failed in (watch or {}).get("seen", [])]
