"""Which skillset a fact asks for: the customer's choice from the number's menu, or the Softbot's choice or hand-off."""

from domain.conversations.conversation import Route, fact_ref
from domain.conversations.evidence.menu import ChosenSkillset, FailedChoice, read_choice, skillset_of
from domain.conversations.evidence.message_changes import MessageChange
from domain.directory import Directory, Number
from domain.facts import BotChoice, BotHandoff, ConversationFact, CustomerTurn
from domain.outside_names import known_name


def route_of(
    fact: ConversationFact, number: Number, directory: Directory, change: MessageChange | None = None
) -> Route | FailedChoice | None:
    """Returns the skillset that a fact asks for; None: the fact is not a choice. `change`: what the customer did to the
    message afterwards. An edit can make a choice or change it, but not withdraw it, and neither can a deletion: the
    conversation may have been routed by it already.

    A choice is a customer's turn that matches the number's own menu (manual fact S4) or, if a Softbot is connected to
    the number, the Softbot's choice or hand-off. An option or skillset that does not exist is a failed choice."""
    skillset: str | None
    if change is not None and isinstance(fact, CustomerTurn):
        edited = fact.model_copy(update={"text": change.text, "is_reply": False, "option_id": None})
        route = route_of(edited, number, directory)
        return route if isinstance(route, Route) else route_of(fact, number, directory)
    match fact:
        case CustomerTurn() if not number.softbot:
            match read_choice(fact, number.choices, directory.skillsets):
                case ChosenSkillset(skillset):
                    return Route(fact_ref(fact), skillset)
                case failed_or_none:
                    return failed_or_none
        case BotChoice():
            skillset = fact.skillset or skillset_of(fact.option_id, number.choices)
        case BotHandoff():
            skillset = fact.skillset
        case _:
            return None
    skillset = skillset and known_name(skillset, directory.skillsets)
    return Route(fact_ref(fact), skillset) if skillset in directory.skillsets else FailedChoice()
