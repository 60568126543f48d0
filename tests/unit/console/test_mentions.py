"""Whom a note mentions."""

import pytest

from console.kept.mentions import mentioned
from console.kept.notes import clean_tag
from infra.postgres.kept.notes import Colleague

PEOPLE = [
    Colleague("anna", "Anna Rossi"),
    Colleague("anna.b", "Anna Bianchi"),
    Colleague("jose", "José García"),
    Colleague("boss", "boss"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@anna can you call?", {"anna"}),
        ("(@Anna)", {"anna"}),
        ("ask @anna.b, please", {"anna.b"}),
        ("@Anna Bianchi knows", {"anna.b"}),
        ("@jose and @boss: look", {"jose", "boss"}),
        ("@José!", {"jose"}),
        ("@jose garcía", {"jose"}),
        ("@annabel is nobody", set()),
        ("@ anna", set()),
        ("mail to info@anna.example", set()),
        ("anna", set()),
        ("@@boss", {"boss"}),
        ("", set()),
    ],
)
def test_a_note_mentions_people_by_sign_in_full_name_or_a_first_name_of_their_own(
    text: str, expected: set[str]
) -> None:
    assert expected == mentioned(text, PEOPLE)


def test_a_first_name_of_two_mentions_nobody() -> None:
    people = [Colleague("a1", "Anna Rossi"), Colleague("a2", "Anna Bianchi")]
    assert set() == mentioned("@Anna please", people)
    assert {"a2"} == mentioned("@Anna Bianchi please", people)


def test_tags_are_words_in_one_spelling() -> None:
    assert "invoice 2026" == clean_tag("  #Invoice \n 2026 ")
    assert "" == clean_tag(" # ")
    assert 40 == len(clean_tag("x" * 100))
