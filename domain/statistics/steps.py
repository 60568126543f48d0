"""The steps of a menu that a customer was shown: the way through the bot's menu by the options that they chose. The
texts of messages are no part of it."""

from collections.abc import Iterable
from typing import NamedTuple

from domain.conversations.conversation import fact_ref
from domain.facts import AgentMessage, BotChoice, BotMenuShown, BotMessage, BotSessionStarted, ConversationFact
from domain.sending.number_texts import SPEAKER

ROOT = ""
"""The greeting and the first menu."""
NOT_UNDERSTOOD = "?"
"""A choice that was not on the menu."""
_SEPARATOR = "/"
_MOST_STEPS = 6
"""How deep a menu is followed."""


class Steps(NamedTuple):
    """`shown`: the steps that the customer saw; `last`: the last of them; `titles`: those of the options that lead to a
    step."""

    shown: frozenset[str] = frozenset()
    last: str | None = None
    titles: tuple[tuple[str, str], ...] = ()


def parent_of(step: str) -> str | None:
    """Returns the step that a step follows; None: it is a first one."""
    if step in (ROOT, NOT_UNDERSTOOD):
        return None
    return step.rpartition(_SEPARATOR)[0]


def steps_of(facts: Iterable[ConversationFact]) -> Steps:
    """Returns the steps that the facts of one conversation tell of."""
    way: tuple[str, ...] = ()
    options: dict[str, str] = {}
    shown: set[str] = set()
    titles: dict[str, str] = {}
    last = None
    for fact in sorted(facts, key=fact_ref):
        match fact:
            case BotSessionStarted():
                way = ()
            case BotChoice() if fact.option_id in options and len(way) < _MOST_STEPS:
                way = (*way, fact.option_id.replace(_SEPARATOR, "|"))
                titles[_SEPARATOR.join(way)] = options[fact.option_id]
            case BotMenuShown():
                options = {option.id: option.title for option in fact.options}
                last = _SEPARATOR.join(way)
            case BotMessage():
                last = _SEPARATOR.join(way)
            case AgentMessage() if fact.agent_id == SPEAKER and not fact.is_claim:
                last = ROOT
        if last is not None:
            shown.add(last)
    return Steps(frozenset(shown), last, tuple(sorted((s, t) for s, t in titles.items() if s in shown)))
