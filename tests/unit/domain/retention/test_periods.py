"""Retention of a number: what follows from what is set, and what contradicts itself."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.directory_file.reader import InvalidDirectory, parse_directory
from domain.directory_file.toml_text import directory_text
from domain.retention.periods import Retention, contradiction, longest

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_where_nothing_is_said_everything_is_kept() -> None:
    kept = Retention()
    assert (None, None, None) == (kept.texts, kept.files, kept.forwarded)
    assert not kept.is_over(datetime(1970, 1, 1, tzinfo=UTC), NOW)


def test_files_and_mails_go_with_the_messages_that_they_repeat() -> None:
    assert (90, 90) == (Retention(messages=90).files, Retention(messages=90).forwarded)
    assert (7, 400) == (Retention(messages=90, media=7).files, Retention(messages=90, mails=400).forwarded)


def test_with_its_conversation_everything_goes() -> None:
    kept = Retention(history=100)
    assert (100, 100, 100) == (kept.texts, kept.files, kept.forwarded)


def test_a_fact_is_over_when_its_messages_would_be_removed() -> None:
    kept = Retention(messages=30)
    assert (False, True) == (
        kept.is_over(NOW - timedelta(days=30), NOW),
        kept.is_over(NOW - timedelta(days=30, seconds=1), NOW),
    )


def test_what_no_number_limits_has_no_longest_time() -> None:
    assert (None, 90, None) == (longest([30, None]), longest([30, 90]), longest([]))


@pytest.mark.parametrize(
    ("kept", "at_fault"),
    [
        (Retention(messages=100, history=50), "history"),
        (Retention(messages=30, media=31), "media"),
        (Retention(history=30, media=31), "media"),
        (Retention(history=30, mails=31), "mails"),
        (Retention(messages=30, media=30, mails=90, history=90, audit=10), None),
    ],
)
def test_what_contradicts_itself_is_named(kept: Retention, at_fault: str | None) -> None:
    found = contradiction(kept)
    assert at_fault == (found[0] if found else None)


def described(retention: str) -> str:
    return f'[[number]]\nphone_number_id = "106540352242922"\nretention = {retention}\n'


def test_the_directory_file_says_it_and_says_it_again() -> None:
    read = parse_directory(described("{ messages = 365, media = 90, history = 1095 }"))
    assert Retention(messages=365, media=90, history=1095) == read.numbers["106540352242922"].retention
    assert read == parse_directory(directory_text(read))


@pytest.mark.parametrize(
    ("retention", "message"),
    [
        ("{ messages = 7 }", "retention.messages: must be a whole number of days from 8 to 36500"),
        ('{ media = "a year" }', "retention.media: must be a whole number of days from 1 to 36500"),
        ("{ message = 30 }", "retention.message: unknown key; did you mean messages?"),
        ("{ messages = 100, history = 50 }", "50 is shorter than messages = 100; use 100 or more"),
        ("30", "retention: must be a table of what is removed after how many days"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(retention: str, message: str) -> None:
    with pytest.raises(InvalidDirectory) as refused:
        parse_directory(described(retention))
    assert message in str(refused.value)
