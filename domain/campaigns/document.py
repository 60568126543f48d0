"""A campaign as public events and JSON output show it (docs/design/campaigns.md, *Events*). Keys may be added, never
removed."""

from collections.abc import Iterable
from typing import Any, Literal, Protocol

from domain.campaigns.answers import AnswerOutcome
from domain.campaigns.campaign import Campaign
from domain.times import rfc3339

CampaignEvent = Literal["planned", "started", "paused", "resumed", "progress", "finished", "cancelled", "missed"]


class StateCount(Protocol):
    """So many recipients are in a state. `reason`: empty for none."""

    @property
    def wave(self) -> int: ...

    @property
    def variant(self) -> int: ...

    @property
    def state(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def n(self) -> int: ...


class OutcomeCount(Protocol):
    """So many recipients answered, with an outcome."""

    @property
    def wave(self) -> int: ...

    @property
    def variant(self) -> int: ...

    @property
    def outcome(self) -> AnswerOutcome: ...

    @property
    def n(self) -> int: ...


def campaign_document(
    campaign: Campaign, counts: Iterable[StateCount], answers: Iterable[OutcomeCount]
) -> dict[str, Any]:
    """Returns a campaign with the number of its recipients in each state, and of its answers, for programs."""
    return {
        "campaign_id": str(campaign.id),
        "name": campaign.name,
        "phone_number_id": campaign.phone_number_id,
        "state": campaign.state,
        "reason": campaign.reason,
        "detail": campaign.detail,
        "changed_by": campaign.changed_by,
        "created_by": campaign.actor,
        "created_at": rfc3339(campaign.created_at),
        "start_at": rfc3339(campaign.start_at) if campaign.start_at else None,
        "started_at": rfc3339(campaign.started_at) if campaign.started_at else None,
        "ended_at": rfc3339(campaign.ended_at) if campaign.ended_at else None,
        "wave": campaign.wave,
        "version": campaign.version,
        "counts": [
            {"wave": c.wave, "variant": c.variant, "state": c.state, "reason": c.reason or None, "recipients": c.n}
            for c in counts
        ],
        "answers": [{"wave": a.wave, "variant": a.variant, "outcome": a.outcome, "recipients": a.n} for a in answers],
    }
