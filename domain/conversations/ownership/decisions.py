"""Decisions that a fact leads to: an agent takes the conversation or declines it, or it is queued for a skillset."""

from datetime import datetime

from domain.conversations.conversation import Conversation, Decisions, Owner, Route, claim_ref, fact_ref
from domain.conversations.ownership.claims import first_candidate
from domain.conversations.ownership.queueing import queued
from domain.facts import AgentAccepted, AgentClosed, AgentDeclined, AgentMessage, ConversationFact

_OF_AGENTS = (AgentAccepted, AgentMessage, AgentDeclined, AgentClosed)


def may_decide(conversation: Conversation, fact: ConversationFact) -> bool:
    """Returns whether a fact of a conversation can lead to a decision. Most facts cannot."""
    evidence = conversation.evidence
    return isinstance(fact, _OF_AGENTS) or evidence.route is not None or bool(evidence.claims)


def decided_by(
    fact: ConversationFact, conversation: Conversation, asked: Route | None, now: datetime, is_new: bool
) -> Decisions:
    """Returns the decisions after a fact that the evidence of the conversation contains; the same ones if it leads to
    none. `asked`: the skillset that the fact asks for, if the conversation was released; `is_new`: it has just arrived.

    A choice queues the conversation for its skillset; an agent who accepts or writes becomes the owner, unless another
    one has it (`domain.conversations.ownership.claims`); declining ends the offer now, and routing continues from
    there."""
    if isinstance(fact, AgentDeclined):
        return _declined(conversation.decisions, fact, now)
    claim = fact if is_new and isinstance(fact, AgentAccepted | AgentMessage) else None
    if claim is not None and (_is_no_claim(claim) or _is_from_before_release(conversation, claim)):
        claim = None
    return _taken(conversation, claim) or queued(conversation, asked)


def _is_no_claim(fact: AgentAccepted | AgentMessage) -> bool:
    return isinstance(fact, AgentMessage) and not fact.is_claim


def _is_from_before_release(conversation: Conversation, fact: AgentAccepted | AgentMessage) -> bool:
    """Returns whether somebody did this before the conversation was released. It does not become theirs by that, unless
    it was offered to them: their clock may be behind."""
    released, owner = conversation.decisions.released, conversation.owner
    if released is None or claim_ref(fact) > released.ref:
        return False
    return owner is None or owner.id != fact.agent_id


def is_contested(decided: Decisions, fact: ConversationFact) -> bool:
    """Returns whether an agent accepted a conversation that another one has by now."""
    return isinstance(fact, AgentAccepted) and decided.owner is not None and decided.owner.id != fact.agent_id


def _declined(decisions: Decisions, fact: AgentDeclined, now: datetime) -> Decisions:
    owner = decisions.owner
    if owner is None or owner.id != fact.agent_id or owner.state != "assigned":
        return decisions
    return decisions._replace(owner=owner._replace(until=now), last="declined", because=fact_ref(fact))


def _taken(conversation: Conversation, claim: AgentAccepted | AgentMessage | None) -> Decisions | None:
    """Returns the decisions if an agent has the conversation; None: none has it. `claim`: has just arrived."""
    decisions, owner = conversation.decisions, conversation.owner
    offered_to = owner.id if owner is not None and owner.state == "assigned" else decisions.offered_to
    new = None if claim is None else (claim.agent_id, claim_ref(claim))
    first = first_candidate(conversation, offered_to, new)
    if first is None:
        return None
    accepted = Owner("user", first.agent, "accepted")
    if owner is not None and owner._replace(until=None) == accepted and decisions.because == first.ref:
        return decisions
    return decisions.owned_by(accepted, "accepted", first.ref)._replace(offered_to=offered_to)
