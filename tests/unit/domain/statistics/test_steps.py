"""The way of a customer through a bot's menu."""

from domain.facts import BotChoice, BotMenuShown, ConversationFact, MenuOption
from domain.statistics.steps import Steps, parent_of, steps_of
from tests.support.stories import FactMaker

BOT = FactMaker("bot")


def menu(hour: float, *options: str) -> BotMenuShown:
    shown = tuple(MenuOption(id=option, title=option.title()) for option in options)
    return BotMenuShown.model_validate({**BOT.bot(hour).model_dump(exclude={"kind", "text"}), "options": shown})


def chooses(hour: float, option: str) -> BotChoice:
    return BOT.choice(hour, "sales").model_copy(update={"option_id": option, "skillset": None})


def test_a_step_is_the_way_of_options_to_what_the_bot_said_last() -> None:
    facts: list[ConversationFact] = [
        menu(0, "buy", "returns"),
        chooses(1, "returns"),
        menu(2, "order", "other"),
        chooses(3, "order"),
        BOT.bot(4),
    ]
    expected = Steps(
        frozenset({"", "returns", "returns/order"}),
        "returns/order",
        (("returns", "Returns"), ("returns/order", "Order")),
    )
    assert expected == steps_of(facts)
    assert expected == steps_of(reversed(facts))


def test_a_choice_that_nothing_follows_leaves_the_customer_at_the_menu() -> None:
    assert "" == steps_of([menu(0, "buy"), chooses(1, "buy")]).last


def test_an_option_that_was_not_shown_leads_nowhere() -> None:
    assert Steps(frozenset({""}), "") == steps_of([menu(0, "buy"), chooses(1, "Order 4711"), BOT.bot(2)])


def test_a_new_session_begins_at_the_first_menu() -> None:
    facts: list[ConversationFact] = [
        BOT.bot_starts(0),
        menu(1, "buy"),
        chooses(2, "buy"),
        BOT.bot(3),
        BOT.bot_starts(4, "s2"),
        BOT.bot(5, "s2"),
    ]
    assert "" == steps_of(facts).last


def test_steps_form_a_tree() -> None:
    assert [None, None, "", "a"] == [parent_of(step) for step in ("", "?", "a", "a/b")]
