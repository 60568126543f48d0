"""What one more fact adds to a conversation's evidence. Facts may come in any order and give the same evidence.

Every part of the evidence is a first or a last by (time, id) of the facts of one kind, so adding is commutative; a
property test holds it. Repeats never get here: facts are told apart by `(id, sent_at)` before.
"""

from collections.abc import Mapping
from typing import Any

from domain.conversations.conversation import MAX_LAST_TEXT, BotSession, Evidence, FactRef, Route
from domain.conversations.menu import ChosenSkillset, FailedChoice, read_choice, skillset_of
from domain.conversations.opening_hours import is_open
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
)

_BY_CUSTOMER = (CustomerTurn, CustomerSignal)


def fact_ref(fact: ConversationFact) -> FactRef:
    """Where the fact stands among the others: its time, then its id."""
    return FactRef(fact.at, fact.id)


def route_of(fact: ConversationFact, number: Number, directory: Directory) -> Route | FailedChoice | None:
    """The skillset that a fact asks for: a turn read with the number's own menu (S4), or, from the Softbot, a choice or
    a hand-off. With a Softbot connected, its events decide instead of the menu. An option or a skillset that does not
    exist is a failed choice."""
    skillset: str | None
    match fact:
        case CustomerTurn() if not number.softbot:
            match read_choice(fact, number.menu, directory.skillsets):
                case ChosenSkillset(skillset):
                    return Route(fact_ref(fact), skillset)
                case failed_or_none:
                    return failed_or_none
        case BotChoice():
            skillset = fact.skillset or skillset_of(fact.option_id, number.menu)
        case BotHandoff():
            skillset = fact.skillset
        case _:
            return None
    return Route(fact_ref(fact), skillset) if skillset in directory.skillsets else FailedChoice()


def add_fact(evidence: Evidence, fact: ConversationFact, number: Number, directory: Directory) -> Evidence:
    """The evidence with one fact more."""
    here = fact_ref(fact)
    changed: dict[str, Any]
    match fact:
        case CustomerTurn():
            changed = _turn(evidence, fact, here, number)
        case HumanEcho():
            changed = {"touch": _first(evidence.touch, here)}
        case AgentAccepted() | AgentMessage():
            changed = {"touch": _first(evidence.touch, here), "agent_took": _first(evidence.agent_took, here)}
        case AgentClosed():
            changed = {"agent_ends": _standing((*evidence.agent_ends, here), evidence.last_turn)}
        case BotSessionStarted() | BotMessage() | BotMenuShown() | BotChoice() | BotHandoff() | BotSessionEnded():
            ended = here if isinstance(fact, BotSessionEnded) else None
            changed = {"sessions": _with_session(evidence.sessions, fact.session_id, here, ended)}
        case _:
            changed = {}
    if isinstance(fact, _BY_CUSTOMER) and fact.customer.name is not None:
        named = (here, fact.customer.name)
        if evidence.named is None or named > evidence.named:
            changed["named"] = named
    match route_of(fact, number, directory):
        case Route() as route:
            if evidence.route is None or route.mark < evidence.route.mark:
                changed["route"] = route
        case FailedChoice():
            changed["failed_choice"] = _first(evidence.failed_choice, here)
        case None:
            pass
    return evidence._replace(**changed) if changed else evidence


def _turn(evidence: Evidence, turn: CustomerTurn, here: FactRef, number: Number) -> dict[str, Any]:
    last = here if evidence.last_turn is None else max(evidence.last_turn, here)
    changed: dict[str, Any] = {"first_turn": _first(evidence.first_turn, here), "last_turn": last}
    if turn.text and (evidence.last_text is None or here > evidence.last_text[0]):
        changed["last_text"] = (here, turn.text[:MAX_LAST_TEXT])
    if evidence.agent_ends:
        changed["agent_ends"] = _standing(evidence.agent_ends, last)
    if (evidence.in_hours is None or here < evidence.in_hours) and is_open(number, turn.at):
        changed["in_hours"] = here
    return changed


def _first(known: FactRef | None, here: FactRef) -> FactRef:
    return here if known is None else min(known, here)


def _standing(ends: tuple[FactRef, ...], last_turn: FactRef | None) -> tuple[FactRef, ...]:
    """An end before the customer's last turn ended nothing; turns only get later, so it never will."""
    return tuple(sorted(end for end in ends if last_turn is None or end.at >= last_turn.at))


def _with_session(
    sessions: Mapping[str, BotSession], session_id: str, here: FactRef, ended: FactRef | None
) -> dict[str, BotSession]:
    known = sessions.get(session_id)
    if known is None:
        return {**sessions, session_id: BotSession(here, ended)}
    ends = [end for end in (known.ended, ended) if end is not None]
    return {**sessions, session_id: BotSession(min(known.began, here), min(ends, default=None))}
