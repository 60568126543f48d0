"""A rule is said as a sentence that is true."""

from datetime import timedelta

import pytest

from domain.contract.rule_texts import rule_sentence
from domain.directory import Directory, Skillset
from domain.rules.rule import Rule, RuleCondition, RuleTransfer

COMPANY = Directory(skillsets={"sales": Skillset("sales", "Sales")})
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("transfer", "said"),
    [
        (RuleTransfer(skillset="sales"), "reserve them for Sales"),
        (RuleTransfer(skillset="sales", reserve=HOUR), "reserve them for Sales for 1 h"),
        (RuleTransfer(skillset="sales", mode="immediate"), "offer them to Sales"),
        (RuleTransfer(skillset="sales", mode="immediate", reserve=HOUR), "offer them to Sales"),
        (RuleTransfer(previous=True), "reserve them for those who had them before"),
    ],
)
def test_what_is_offered_at_once_is_not_said_to_be_reserved(transfer: RuleTransfer, said: str) -> None:
    rule = Rule("r", "R", on=True, when=RuleCondition(alone=timedelta(minutes=90)), transfer=transfer)
    assert rule_sentence(rule, COMPANY) == f"When a customer was left alone and has waited 90 min: {said}."
