"""What alarms say."""

import re

import pytest

from domain.alarms.kinds import JUDGING, AlarmKind
from domain.alarms.texts import ALARM_TEXTS, say


def test_every_kind_of_alarm_is_judged_and_says_something() -> None:
    assert set(AlarmKind) == set(JUDGING) == set(ALARM_TEXTS)


@pytest.mark.parametrize("kind", AlarmKind)
def test_an_alarm_says_what_is_wrong_and_what_to_do_even_if_details_are_missing(kind: AlarmKind) -> None:
    words = say(kind, {})
    assert words.what
    assert words.cure
    assert "%(" not in words.what + words.cure
    assert not words.what.endswith(".")
    assert re.search(r"[.]$", words.cure)


def test_an_alarm_is_filled_with_its_details_in_the_language_of_who_reads_it() -> None:
    italian = {"Events have not been published for %(minutes)s minutes": "Eventi fermi da %(minutes)s minuti"}
    found = say(AlarmKind.OUTBOX_STUCK, {"minutes": 7}, lambda text: italian.get(text, text))
    assert found.what == "Eventi fermi da 7 minuti"
