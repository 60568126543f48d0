"""Which agent has a conversation that agents accepted or wrote in (domain.md, *Human interaction*).

An acceptance or a message is a claim. Of several agents, the one to whom the conversation was offered has it, else the
first by the time of the event; so it does not depend on the order of arrival.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from domain.conversations.conversation import Conversation, FactRef


class Candidate(NamedTuple):
    """An agent's claim that counts. The least one has the conversation."""

    not_offered: bool
    ref: FactRef
    agent: str


def first_candidate(
    conversation: Conversation, offered_to: str | None, new: tuple[str, FactRef] | None
) -> Candidate | None:
    """Returns the claim of the agent who has the conversation now; None: no claim counts.

    `offered_to`: the agent to whom it was offered when it was accepted. `new`: agent and reference of a claim that has
    just arrived. It counts if there is no other, also if it is from before the conversation was last taken from its
    owner: nobody could consider it then."""
    found = list(_candidates(conversation, offered_to))
    owner, because = conversation.owner, conversation.decisions.because
    if owner is not None and owner.state == "accepted" and because is not None:
        found.append(Candidate(owner.id != offered_to, because, owner.id))
    if not found and new is not None:
        return Candidate(new[0] != offered_to, new[1], new[0])
    return min(found, default=None)


def holder_at(conversation: Conversation, at: datetime) -> str | None:
    """Returns the agent who had the conversation at that time, by the claims from before it."""
    found = (each for each in _candidates(conversation, conversation.decisions.offered_to) if each.ref.at <= at)
    first = min(found, default=None)
    return first and first.agent


def last_claim(conversation: Conversation) -> FactRef | None:
    """Returns the last claim that counts."""
    since = conversation.decisions.claimable_from
    lasts = (claim.last for claim in conversation.evidence.claims)
    return max((ref for ref in lasts if since is None or ref.at > since), default=None)


def _candidates(conversation: Conversation, offered_to: str | None) -> Iterator[Candidate]:
    since = conversation.decisions.claimable_from
    for claim in conversation.evidence.claims:
        ref = claim.first if since is None or claim.first.at > since else claim.last
        if since is None or ref.at > since:
            yield Candidate(claim.agent != offered_to, ref, claim.agent)
