"""A rule fits a conversation that was left alone from a moment on that can be told in advance."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.conversations.reasons import Reason
from domain.directory import Directory, Number, Opening, Skillset
from domain.rescue.judging import LeftAlone, RuleJudgement, fits_at, judge
from domain.rules.rule import MARGIN, Rule, RuleCondition, RuleTransfer
from domain.search import phrase

SINCE = datetime(2026, 3, 2, 10, tzinfo=UTC)  # a Monday
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OFFICE_HOURS = Number("shop", hours={"mon": (Opening(time(9), time(18)),), "tue": (Opening(time(9), time(18)),)})
COMPANY = Directory(numbers={"shop": OFFICE_HOURS})
SEEN = LeftAlone("shop", Reason.NO_CHOICE, SINCE, SINCE + 24 * HOUR)


def rule(named: str = "r", stop: bool = True, **when: Any) -> Rule:
    return Rule(named, named, on=True, stop=stop, when=RuleCondition(**when), text="hello")


def moment(when: Rule, seen: LeftAlone = SEEN, now: datetime = SINCE) -> datetime | None:
    return fits_at(when, seen, OFFICE_HOURS, now)


def test_a_rule_without_conditions_fits_at_once() -> None:
    assert moment(rule()) == SINCE


def test_a_rule_waits_until_the_customer_has_been_alone_for_so_long() -> None:
    assert moment(rule(alone=10 * MINUTE)) == SINCE + 10 * MINUTE
    assert moment(rule(alone=10 * MINUTE), now=SINCE + HOUR) == SINCE + HOUR


def test_a_rule_waits_until_so_little_of_the_window_is_left() -> None:
    assert moment(rule(left=4 * HOUR)) == SINCE + 20 * HOUR


def test_of_several_times_the_latest_counts() -> None:
    assert moment(rule(alone=22 * HOUR, left=4 * HOUR)) == SINCE + 22 * HOUR


def test_a_rule_for_closing_time_waits_until_the_number_closes() -> None:
    assert moment(rule(hours="closed")) == SINCE + 8 * HOUR
    assert moment(rule(hours="open")) == SINCE
    assert moment(rule(hours="open"), now=SINCE + 9 * HOUR) == SINCE + 23 * HOUR


def test_a_number_without_hours_is_never_closed() -> None:
    always = Number("shop")
    assert fits_at(rule(hours="closed"), SEEN, always, SINCE) is None
    assert fits_at(rule(hours="open"), SEEN, always, SINCE) == SINCE


def test_no_rule_acts_in_the_last_five_minutes_of_the_window() -> None:
    ends = SEEN.window_ends_at
    assert moment(rule(), now=ends - MARGIN - MINUTE) == ends - MARGIN - MINUTE
    assert moment(rule(), now=ends - MARGIN) is None
    assert moment(rule(alone=24 * HOUR - MARGIN)) is None


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({"numbers": ("shop",)}, True),
        ({"numbers": ("rental",)}, False),
        ({"reasons": ("no_choice", "invalid_choice")}, True),
        ({"reasons": ("bot_closed",)}, False),
        ({"words": ("refund",)}, True),
        ({"words": ("Money BACK",)}, True),
        ({"words": ("mon",)}, False),
        ({"words": ("mon*",)}, True),
        ({"words": ("back money",)}, False),
        ({"languages": ("en",)}, True),
        ({"languages": ("it",)}, False),
        ({"returning": True}, True),
        ({"returning": False}, False),
        ({"had": ("sales",)}, True),
        ({"had": ("support",)}, False),
        ({"words": ("refund",), "languages": ("it",)}, False),
    ],
)
def test_everything_that_a_rule_names_must_be_so(when: dict[str, Any], fits: bool) -> None:
    said = tuple(map(phrase, ("Hello!", "I want a REFUND, money back please")))
    seen = SEEN._replace(said=said, language="en", returning=True, had="sales")
    assert (moment(rule(**when), seen) is not None) == fits


def test_what_is_not_known_fits_no_rule_that_asks_for_it() -> None:
    assert moment(rule(languages=("en",))) is None
    assert moment(rule(had=("sales",))) is None


def test_a_rule_that_gives_a_customer_back_needs_somebody_who_had_them() -> None:
    again = Rule("r", "r", on=True, transfer=RuleTransfer(previous=True))
    assert fits_at(again, SEEN, OFFICE_HOURS, SINCE) is None
    assert fits_at(again, SEEN._replace(had="sales"), OFFICE_HOURS, SINCE) == SINCE


def names(judgement: RuleJudgement) -> tuple[list[str], list[str]]:
    return [each.id for each in judgement.act], [each.id for each in judgement.passed]


def test_of_rules_that_fit_at_the_same_moment_the_first_acts() -> None:
    rules = [rule("a", alone=HOUR), rule("b"), rule("c")]
    judgement = judge(rules, SEEN, COMPANY, SINCE)
    assert names(judgement) == (["b"], ["c"])
    assert judgement.again_at == SINCE + HOUR


def test_or_all_act_up_to_one_that_stops() -> None:
    rules = [rule("a", stop=False), rule("b", stop=False, alone=HOUR), rule("c"), rule("d")]
    assert names(judge(rules, SEEN, COMPANY, SINCE)) == (["a", "c"], ["d"])
    assert names(judge(rules[:2], SEEN, COMPANY, SINCE + HOUR)) == (["a", "b"], [])


def test_a_rule_that_begins_to_fit_later_acts_later() -> None:
    late = judge([rule("a"), rule("b", left=HOUR)], SEEN, COMPANY, SINCE + 23 * HOUR, done={"a"})
    assert names(late) == (["b"], [])


def test_a_look_that_comes_late_acts_as_looks_in_time_would_have() -> None:
    """Nothing looked for a day: the alarm after two hours is no reason to keep back the reservation of the last one."""
    rules = [rule("alarm", alone=2 * HOUR), rule("with it", alone=2 * HOUR), rule("last hour", left=HOUR)]
    late = judge(rules, SEEN, COMPANY, SINCE + 23 * HOUR, known_at=SINCE)
    assert names(late) == (["alarm", "last hour"], ["with it"])
    learned_now = judge(rules, SEEN, COMPANY, SINCE + 23 * HOUR)
    assert names(learned_now) == (["alarm"], ["with it", "last hour"])


def test_in_a_late_look_what_would_have_been_taken_before_is_left_to_that_rule() -> None:
    first = Rule("first", "first", on=True, when=RuleCondition(alone=HOUR), transfer=RuleTransfer(skillset="sales"))
    late = judge([rule("last hour", left=HOUR), first], SEEN, COMPANY, SINCE + 23 * HOUR, known_at=SINCE)
    assert names(late) == (["first"], ["last hour"])


def test_what_fits_no_longer_is_not_caught_up_on() -> None:
    rules = [rule("open", hours="open"), rule("closed", hours="closed")]
    late = judge(rules, SEEN, COMPANY, SINCE + 9 * HOUR, known_at=SINCE)
    assert names(late) == (["closed"], [])


def test_nobody_is_given_back_to_a_skillset_that_was_removed() -> None:
    again = Rule("back", "back", on=True, transfer=RuleTransfer(previous=True))
    seen = SEEN._replace(had="sales")
    assert names(judge([again, rule("b")], seen, COMPANY, SINCE)) == (["b"], [])
    with_sales = replace(COMPANY, skillsets={"sales": Skillset("sales", "Sales")})
    assert names(judge([again, rule("b")], seen, with_sales, SINCE)) == (["back"], ["b"])


def test_a_rule_that_has_acted_or_is_off_does_nothing() -> None:
    off = Rule("off", "off", text="hello")
    assert judge([off, rule("a")], SEEN, COMPANY, SINCE, done={"a"}) == RuleJudgement()


conditions = st.builds(
    RuleCondition,
    alone=st.timedeltas(min_value=timedelta(), max_value=23 * HOUR),
    left=st.none() | st.timedeltas(min_value=6 * MINUTE, max_value=24 * HOUR),
    hours=st.sampled_from([None, "open", "closed"]),
)


@given(conditions, st.timedeltas(min_value=timedelta(), max_value=25 * HOUR))
def test_the_moment_is_the_first_at_which_a_rule_fits(when: RuleCondition, passed: timedelta) -> None:
    """Looked at again at any time before, the moment is the same; at the moment itself, it is now."""
    wanted = Rule("r", "r", on=True, when=when, text="hello")
    first = moment(wanted)
    now = SINCE + passed
    if first is None:
        assert moment(wanted, now=now) is None
    elif now <= first:
        assert moment(wanted, now=now) == first
        assert moment(wanted, now=first) == first


times = st.builds(
    RuleCondition,
    alone=st.sampled_from([timedelta(), HOUR, 3 * HOUR]),
    left=st.sampled_from([None, 23 * HOUR, 21 * HOUR, HOUR]),
)


@given(st.lists(st.tuples(times, st.booleans()), max_size=5), st.sampled_from([0, 1, 3, 12, 23]))
def test_a_look_too_late_does_what_looks_in_time_did(wanted: list[tuple[RuleCondition, bool]], hours: int) -> None:
    rules = [Rule(f"{n}", "r", on=True, stop=stop, when=when, text="hi") for n, (when, stop) in enumerate(wanted)]
    acted: list[str] = []
    passed: list[str] = []
    at: datetime | None = SINCE
    while at is not None and at <= SINCE + hours * HOUR:
        judgement = judge(rules, SEEN, COMPANY, at, {*acted, *passed})
        acted += names(judgement)[0]
        passed += names(judgement)[1]
        at = judgement.again_at
    late = judge(rules, SEEN, COMPANY, SINCE + hours * HOUR, known_at=SINCE)
    assert names(late) == (acted, passed)
    assert late.again_at == at
