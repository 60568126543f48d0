"""Adds facts to a conversation's evidence. Facts may be added in any order and give the same evidence.

Every part of the evidence is the first or the last fact of one kind by its reference, so adding is commutative; a
property test checks this. Repeats were dropped before: they have the same `(id, sent_at)`.
"""

from collections.abc import Mapping
from typing import Any

from domain.conversations.conversation import (
    MAX_LAST_TEXT,
    MAX_MEMBERS,
    AgentClaim,
    BotSession,
    Evidence,
    FactRef,
    GroupMember,
    Route,
    claim_ref,
    earlier,
    fact_ref,
)
from domain.conversations.evidence.choices import route_of
from domain.conversations.evidence.menu import FailedChoice
from domain.conversations.evidence.message_changes import MessageChange
from domain.conversations.evidence.opening_hours import is_open
from domain.directory import Directory, Number
from domain.facts import (
    AgentAccepted,
    AgentClosed,
    AgentMessage,
    BotChoice,
    BotHandoff,
    BotMenuShown,
    BotMessage,
    BotSessionEnded,
    BotSessionStarted,
    ConversationFact,
    CustomerSignal,
    CustomerTurn,
    HumanEcho,
    Party,
    ThreadControlPassed,
)
from domain.ids import FactId

_BY_CUSTOMER = (CustomerTurn, CustomerSignal)


def add_fact(
    evidence: Evidence,
    fact: ConversationFact,
    number: Number,
    directory: Directory,
    change: MessageChange | None = None,
) -> Evidence:
    """Returns the evidence with one more fact. `change`: what the customer did to that message afterwards."""
    ref = fact_ref(fact)
    changed: dict[str, Any]
    match fact:
        case CustomerTurn():
            changed = _turn(evidence, fact, ref, number, change)
        case HumanEcho() if fact.is_word:
            changed = _word(evidence, ref, ref)
        case AgentAccepted() | AgentMessage() | AgentClosed():
            changed = _by_agent(evidence, fact, ref, change)
        case CustomerSignal() if fact.unreadable is not None:
            changed = _unreadable(evidence, fact, ref)
        case BotSessionStarted() | BotMessage() | BotMenuShown() | BotChoice() | BotHandoff() | BotSessionEnded():
            ended = ref if isinstance(fact, BotSessionEnded) else None
            changed = {"sessions": _with_session(evidence.sessions, fact.session_id, ref, ended)}
        case ThreadControlPassed():
            last = evidence.handed_over
            changed = {"handed_over": ref if last is None else max(last, ref)}
        case _:
            changed = {}
    if isinstance(fact, _BY_CUSTOMER):
        changed |= _by_customer(evidence, fact.customer, ref)
    match route_of(fact, number, directory, change):
        case Route() as route:
            if evidence.route is None or route.ref < evidence.route.ref:
                changed["route"] = route
        case FailedChoice():
            changed["failed_choice"] = earlier(evidence.failed_choice, ref)
        case None:
            pass
    return evidence._replace(**changed) if changed else evidence


def _by_customer(evidence: Evidence, party: Party, ref: FactRef) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if party.name is not None and (evidence.named is None or (ref, party.name) > evidence.named):
        changed["named"] = (ref, party.name)
    if party.group_id is not None:
        changed["members"] = _with_member(evidence.members, ref, party)
    return changed


def _turn(
    evidence: Evidence, turn: CustomerTurn, ref: FactRef, number: Number, change: MessageChange | None
) -> dict[str, Any]:
    last = ref if evidence.last_turn is None else max(evidence.last_turn, ref)
    changed: dict[str, Any] = {"first_turn": earlier(evidence.first_turn, ref), "last_turn": last}
    if last.at == turn.at:
        known = evidence.first_of_last_second
        changed["first_of_last_second"] = ref if known is None or known.at != turn.at else min(known, ref)
    text = change.current(turn.text) if change else turn.text
    if turn.text and (evidence.last_text is None or ref > evidence.last_text[0]):
        changed["last_text"] = (ref, text[:MAX_LAST_TEXT] if text else None)
        if turn.customer.group_id is not None:
            changed["last_speaker"] = turn.customer.name or turn.customer.wa_id or turn.customer.user_id
    if evidence.agent_ends:
        changed |= _effective_ends(evidence.agent_ends, evidence.explained_ends, last)
    if (evidence.in_hours is None or ref < evidence.in_hours) and is_open(number, turn.at):
        changed["in_hours"] = ref
    return changed


def _unreadable(evidence: Evidence, signal: CustomerSignal, ref: FactRef) -> dict[str, Any]:
    changed: dict[str, Any] = {"unreadable": earlier(evidence.unreadable, ref)}
    if signal.unreadable == "content":
        changed["last_content"] = ref if evidence.last_content is None else max(evidence.last_content, ref)
        changed |= _effective_ends(evidence.agent_ends, evidence.explained_ends, ref)
    return changed


def with_change(evidence: Evidence, message: FactId, change: MessageChange) -> Evidence:
    """Returns the evidence after an edit or a deletion of a message: its last text, if that is the message's."""
    if evidence.last_text is None or evidence.last_text[0].fact != message:
        return evidence
    text = change.current(evidence.last_text[1])
    return evidence._replace(last_text=(evidence.last_text[0], text[:MAX_LAST_TEXT] if text else None))


def _by_agent(
    evidence: Evidence,
    fact: AgentAccepted | AgentMessage | AgentClosed,
    ref: FactRef,
    change: MessageChange | None,
) -> dict[str, Any]:
    if isinstance(fact, AgentMessage) and change is not None and change.failed:
        return {}
    written = ref if isinstance(fact, AgentClosed) else claim_ref(fact)
    if isinstance(fact, AgentMessage) and not fact.is_claim:
        return _word(evidence, ref, written)
    agent = fact.agent_id
    if isinstance(fact, AgentClosed):
        explained = evidence.explained_ends + (((ref, agent),) if fact.is_explained else ())
        return _effective_ends((*evidence.agent_ends, ref), explained, evidence.last_message)
    claims = {claim.agent: claim for claim in evidence.claims}
    known = claims.get(agent, AgentClaim(agent, written, written))
    claims[agent] = AgentClaim(agent, min(known.first, written), max(known.last, written))
    changed = {"agent_took": earlier(evidence.agent_took, ref), "claims": tuple(sorted(claims.values()))}
    return changed | _word(evidence, ref, written) if isinstance(fact, AgentMessage) else changed


def _word(evidence: Evidence, ref: FactRef, written: FactRef) -> dict[str, Any]:
    last = evidence.last_word
    return {"touch": earlier(evidence.touch, ref), "last_word": written if last is None else max(last, written)}


def _effective_ends(
    ends: tuple[FactRef, ...], explained: tuple[tuple[FactRef, str], ...], last: FactRef | None
) -> dict[str, Any]:
    """Returns the ends by agents at or after the customer's `last` message. An earlier end has no effect, and never
    will: the last message only moves to later times."""
    effective = {end for end in ends if last is None or end.at >= last.at}
    return {
        "agent_ends": tuple(sorted(effective)),
        "explained_ends": tuple(sorted(each for each in explained if each[0] in effective)),
    }


def _with_member(members: Mapping[str, GroupMember], ref: FactRef, party: Party) -> dict[str, GroupMember]:
    """Keeps of each member where they wrote last, and of all members those who wrote last."""
    key = party.wa_id or party.user_id
    if key is None or (key in members and members[key].ref > ref):
        return dict(members)
    found = {**members, key: GroupMember(ref, party.wa_id, party.user_id, party.name)}
    if len(found) > MAX_MEMBERS:
        del found[min(found, key=lambda each: found[each].ref)]
    return found


def _with_session(
    sessions: Mapping[str, BotSession], session_id: str, ref: FactRef, ended: FactRef | None
) -> dict[str, BotSession]:
    known = sessions.get(session_id)
    if known is None:
        return {**sessions, session_id: BotSession(ref, ended)}
    ends = [end for end in (known.ended, ended) if end is not None]
    return {**sessions, session_id: BotSession(min(known.began, ref), min(ends, default=None))}
