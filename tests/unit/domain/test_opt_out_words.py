"""Words by which customers stop messages and want them again: whole texts, never a word inside a longer one."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.directory import Number
from domain.facts import CustomerTurn, Party
from domain.messages.received import ReceivedMedia
from domain.opt_outs.opt_out import read_customer
from domain.opt_outs.words import START_WORDS, STOP_WORDS, opt_out_word, plain
from tests.support.stories import NUMBER, FactMaker

SHOP = Number(NUMBER)
EVERY_STOP = sorted({word for words in STOP_WORDS.values() for word in words})
EVERY_START = sorted({word for words in START_WORDS.values() for word in words})
OTHER_WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8).filter(
    lambda word: word not in {part for each in (*EVERY_STOP, *EVERY_START) for part in plain(each).split()}
)


def turn(text: str | None, **changes: Any) -> CustomerTurn:
    return FactMaker().turn(0, text).model_copy(update={"text": text, **changes})


def said(text: str | None, number: Number = SHOP, **changes: Any) -> str | None:
    return opt_out_word(turn(text, **changes), number)


@pytest.mark.parametrize("word", EVERY_STOP)
def test_a_word_of_every_language_stops_messages_at_every_number(word: str) -> None:
    assert {"stop"} == {said(word), said(word.upper()), said(f"  {word}. "), said(f"“{word}”!!")}


@pytest.mark.parametrize("word", EVERY_START)
def test_a_word_of_every_language_starts_them_again(word: str) -> None:
    assert {"start"} == {said(word), said(word.title())}


@pytest.mark.parametrize(
    "text",
    ["STOP", "stop.", "Stop!!!", " stop \n", "*STOP*", "\u200bstop", "ＳＴＯＰ", "Opt-out", "Desabonner"],
)
def test_case_accents_and_what_stands_around_a_word_do_not_matter(text: str) -> None:
    assert "stop" == said(text)


def test_a_tapped_button_counts_by_its_text() -> None:
    assert "stop" == said("STOP", type="button", is_reply=True, option_id="anything")


@given(st.sampled_from([*EVERY_STOP, *EVERY_START]), OTHER_WORDS, st.sampled_from([" ", ", ", ". ", "\n", " - "]))
def test_a_word_inside_a_longer_text_says_nothing(word: str, other: str, between: str) -> None:
    """*Please stop by tomorrow*; also no part of a word: *stopover*."""
    assert {None} == {said(f"{word}{between}{other}"), said(f"{other}{between}{word}"), said(f"{word}{other}")}


@pytest.mark.parametrize("text", ["don't stop", "nonstop", "stop it, please", "where is the bus stop?", "", "!", None])
def test_other_texts_say_nothing(text: str | None) -> None:
    assert said(text) is None


def test_what_stands_below_a_picture_or_in_a_group_says_nothing() -> None:
    """A road sign, and what one member of a group says to the others."""
    assert said("stop", media=ReceivedMedia(id="1")) is None
    assert said("stop", customer=Party(wa_id="39333", group_id="g")) is None


def test_a_number_has_words_of_its_own() -> None:
    shop = replace(SHOP, stop_words=("Basta così!",), start_words=("di nuovo",))
    assert ("stop", "start", "stop") == (said("basta cosi", shop), said("Di nuovo", shop), said("stop", shop))
    assert (None, None) == (said("basta così"), said("di nuovo"))


def test_a_word_that_would_do_both_stops() -> None:
    """Who asks to be left alone is left alone."""
    assert "stop" == said("start", replace(SHOP, stop_words=("start",)))


def test_no_word_is_in_both_lists() -> None:
    assert set() == {plain(word) for word in EVERY_STOP} & {plain(word) for word in EVERY_START}


def test_what_is_on_the_menu_of_a_number_is_a_choice() -> None:
    """*Baja* may also be what an employee who is ill chooses."""
    shop = replace(SHOP, menu={"1": "staff"}, synonyms={"1": ("Baja",)})
    assert (None, "stop") == (said("baja", shop), said("stop", shop))


@pytest.mark.parametrize(
    ("written", "customer"),
    [
        ("+39 333 123-4567", Party(wa_id="393331234567")),
        ("0039 333 1234567", Party(wa_id="393331234567")),
        (" US.1349 ", Party(user_id="US.1349")),
        ("US.ENT.1181", Party(user_id="US.ENT.1181")),
        ("02 1234567", None),
        ("12345", None),
        ("ada.rossi@example.com", None),
        ("www.example.com", None),
        ("Ada", None),
        ("", None),
    ],
)
def test_a_customer_is_named_by_a_phone_with_a_country_code_or_a_user_id(written: str, customer: Party | None) -> None:
    assert customer == read_customer(written)
