"""A dry run says when a rule would have acted, by what was known at each moment."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from domain.conversations.reasons import Reason
from domain.directory import Directory
from domain.rescue.judging import LeftAlone
from domain.rescue.replay import KnownEvent, KnownTurn, Replayed, acted_at, would_act_at
from domain.rescue.seeing import Questions
from domain.rules.rule import Rule, RuleCondition, RuleTransfer

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
SALES = RuleTransfer(skillset="sales")


def at(hour: float) -> datetime:
    return START + hour * HOUR


def rule(named: str = "tried", **when: object) -> Rule:
    return Rule(named, named, on=True, when=RuleCondition(**when), transfer=SALES)  # type: ignore[arg-type]


def event(hour: float, name: str, reason: Reason | None = None) -> KnownEvent:
    return KnownEvent(at(hour), name, reason)


def conversation(*events: KnownEvent, turns: Sequence[KnownTurn] = (KnownTurn(at(0), at(0), "hello"),)) -> Replayed:
    listed = event(0, "became_unmanaged", Reason.NO_CHOICE)
    return Replayed("shop", at(0), False, None, [event(0, "opened"), listed, *events], list(turns))


def would_act(tried: Rule, of: Replayed, before: Sequence[Rule] = ()) -> datetime | None:
    rules = [*before, tried]
    return acted_at(tried, rules, of, Directory(), Questions.of(rules), lambda texts, among: None, at(100))


def test_a_customer_nobody_answered_would_have_been_rescued_in_time() -> None:
    assert would_act(rule(left=2 * HOUR), conversation(event(24, "closed"))) == at(22)


def test_a_customer_who_was_answered_before_is_left_alone_by_the_rule() -> None:
    assert would_act(rule(alone=2 * HOUR), conversation(event(1, "managed"))) is None
    assert would_act(rule(alone=2 * HOUR), conversation(event(3, "managed"))) == at(2)


def test_what_the_customer_wrote_counts_from_when_it_was_known() -> None:
    late = [KnownTurn(at(0), at(0), "hello"), KnownTurn(at(5), at(3), "a refund please")]
    assert would_act(rule(words=("refund",)), conversation(turns=late)) == at(5)


def test_a_message_gives_more_time() -> None:
    more = [KnownTurn(at(0), at(0), "hello"), KnownTurn(at(10), at(10), "hello?")]
    assert would_act(rule(left=2 * HOUR), conversation(event(34, "closed"), turns=more)) == at(32)


def test_a_customer_whose_only_message_could_not_be_read_is_rescued_too() -> None:
    unread = conversation(event(24, "closed"), turns=())
    assert would_act(rule(left=2 * HOUR), unread) == at(22)


def test_who_comes_back_to_the_list_has_been_alone_since_then() -> None:
    back = conversation(event(1, "queued"), event(6, "released"), event(6, "became_unmanaged", Reason.NOBODY_TOOK_IT))
    assert would_act(rule(alone=2 * HOUR), back) == at(8)
    assert would_act(rule(reasons=("nobody_took_it",)), back) == at(6)


def test_another_reason_is_no_new_stay() -> None:
    changed = conversation(event(1, "became_unmanaged", Reason.INVALID_CHOICE))
    assert would_act(rule(alone=2 * HOUR), changed) == at(2)
    assert would_act(rule(reasons=("no_choice",), alone=2 * HOUR), changed) is None


def test_a_rule_before_it_that_takes_the_conversation_comes_first() -> None:
    assert would_act(rule(alone=2 * HOUR), conversation(), [rule("first", alone=HOUR)]) is None
    assert would_act(rule(alone=HOUR), conversation(), [rule("first", alone=2 * HOUR)]) == at(1)


def test_a_rule_before_it_that_only_speaks_stops_it_at_the_same_moment_alone() -> None:
    speaks = Rule("speaks", "speaks", on=True, text="hello")
    assert would_act(rule(), conversation(), [speaks]) is None
    assert would_act(rule(alone=HOUR), conversation(), [speaks]) == at(1)


def comes(tried: Rule, *before: Rule, done: Sequence[str] = ()) -> datetime | None:
    seen = LeftAlone("shop", Reason.NO_CHOICE, at(0), at(24))
    return would_act_at(tried, [*before, tried], seen, Directory(), at(0), done)


def test_on_the_list_a_rule_comes_when_the_rules_before_it_let_it() -> None:
    speaks = Rule("speaks", "speaks", on=True, when=RuleCondition(alone=HOUR), text="hello")
    assert comes(rule(left=2 * HOUR)) == at(22)
    assert comes(rule(left=2 * HOUR), speaks) == at(22)
    assert comes(rule(alone=HOUR), speaks) is None
    assert comes(rule(left=2 * HOUR), rule("first", alone=HOUR)) is None


def test_on_the_list_a_rule_that_has_acted_comes_no_more() -> None:
    assert comes(rule(), done=["tried"]) is None
    assert comes(rule(), rule("first"), done=["first"]) == at(0)
