"""What agents were offered of a conversation, and what became of it."""

from datetime import datetime
from typing import Literal, NamedTuple, get_args

from domain.statistics.observed import Observed, ObservedEvent

OfferResult = Literal["open", "accepted", "declined", "lapsed", "withdrawn"]
"""`lapsed`: not accepted in time; `withdrawn`: somebody else had it back or gave it to another before that."""
OFFER_RESULTS: tuple[OfferResult, ...] = get_args(OfferResult)


class MadeOffer(NamedTuple):
    """One offer to an agent. `sequence`: the event that made it."""

    sequence: int
    agent: str
    at: datetime
    result: OfferResult = "open"


def offers(seen: Observed) -> list[MadeOffer]:
    """Returns the offers of a conversation in order."""
    made: list[MadeOffer] = []
    for event in seen.events:
        agent = event.owner.id if event.owner is not None and event.owner.kind == "user" else None
        if made and made[-1].result == "open" and not _still_offered(made[-1], event, agent):
            made[-1] = made[-1]._replace(result=_result(made[-1], event, agent))
        if event.name == "assigned" and agent is not None and not (made and made[-1].result == "open"):
            made.append(MadeOffer(event.sequence, agent, event.at))
    return made


def _still_offered(offer: MadeOffer, event: ObservedEvent, agent: str | None) -> bool:
    return agent == offer.agent and event.name in ("assigned", "customer_changed")


def _result(offer: MadeOffer, event: ObservedEvent, agent: str | None) -> OfferResult:
    is_theirs = event.actor == f"agent:{offer.agent}"
    if event.name in ("accepted", "managed") and (agent == offer.agent or is_theirs):
        return "accepted"
    if is_theirs:
        return "declined"
    return "lapsed" if event.actor == "clock" else "withdrawn"
