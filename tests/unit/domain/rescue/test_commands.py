"""Whatever a directory file may say of a rule is a command when the rule acts."""

import pytest
from hypothesis import given
from pydantic import ValidationError

from console.commands import HOLD_SECONDS, MESSAGE_HOLD_SECONDS
from domain.commands import Email, SendMessage
from domain.directory_file.rule_tables import RuleTable
from domain.rescue.commands import command_of, mode_of
from domain.rules.rule import ActionKind, Rule, RuleMail
from tests.support.stories import DIRECTORY, FactMaker, Story, at
from tests.unit.domain.directory_file.directories import rules


def issue(rule: Rule) -> int:
    """Builds the commands of a rule; returns how many there are."""
    story = Story(at(0)).receive(FactMaker().turn(0, "hello"))
    (conversation,) = story.history.conversations
    modes = {action: mode_of(rule, action, None) for action in rule.actions}
    bodies = [command_of(rule, action, conversation, DIRECTORY, "sales", mode) for action, mode in modes.items()]
    return sum(body is not None for body in bodies)


@given(rules(["sales"]))
def test_any_valid_rule_can_be_carried_out(wanted: tuple[Rule, ...]) -> None:
    for rule in wanted:
        assert issue(rule) == len([action for action in rule.actions if action != "alarm"])


def test_what_a_rule_sends_is_held_as_long_as_what_a_person_sends() -> None:
    story = Story(at(0)).receive(FactMaker().turn(0, "hello"))
    (conversation,) = story.history.conversations
    rule = Rule("r", "R", on=True, text="hello", mail=RuleMail(("night@example.com",)))
    actions: tuple[ActionKind, ...] = ("text", "mail")
    text, mail = (command_of(rule, action, conversation, DIRECTORY, None) for action in actions)
    assert isinstance(text, SendMessage)
    assert isinstance(mail, Email)
    assert (text.hold_seconds, mail.hold_seconds) == (MESSAGE_HOLD_SECONDS, HOLD_SECONDS)


@pytest.mark.parametrize(
    "does",
    [
        {"template": {"name": "call_back", "language": "en", "parameters": {"1": ""}}},
        {"template": {"name": "call_back", "language": "en", "parameters": {"1": "x" * 1025}}},
        {"template": {"name": "call\x00back", "language": "en"}},
        {"template": {"name": "call_back", "language": ""}},
        {"text": " \n "},
    ],
)
def test_what_no_command_may_say_no_rule_may(does: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RuleTable.model_validate({"id": "r", "name": "R", **does})
