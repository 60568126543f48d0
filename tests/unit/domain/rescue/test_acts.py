"""A rule has one act for each of its actions, and each of them once."""

from datetime import UTC, datetime
from uuid import UUID

from domain.rescue.acts import RuleAct, has_acted, to_do
from domain.rules.rule import ActionKind, Rule, RuleTransfer

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
TEXT = Rule("r", "R", on=True, text="hello")


def act(action: ActionKind, state: str) -> RuleAct:
    return RuleAct(UUID(int=1), "r", action, "R", "shop", state, 0, None, 1, None, None, {}, AT, AT)  # type: ignore[arg-type]


def test_what_was_not_carried_out_is_done_again() -> None:
    assert to_do(TEXT, {"text": act("text", "again")}) == ["text"]
    assert not has_acted(TEXT, {"text": act("text", "again")})
    assert has_acted(TEXT, {"text": act("text", "done")})


def test_a_rule_whose_action_was_taken_out_keeps_no_other_rule_back() -> None:
    """Its transfer was to be tried again, and then somebody took the transfer out of the rule."""
    acts: dict[ActionKind, RuleAct] = {"text": act("text", "done"), "transfer": act("transfer", "again")}
    assert has_acted(TEXT, acts)
    with_transfer = Rule("r", "R", on=True, text="hello", transfer=RuleTransfer(skillset="sales"))
    assert not has_acted(with_transfer, acts)
