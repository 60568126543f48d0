"""The language of what a customer writes is told, or it is said that it is not known."""

import pytest

from domain.rules.rule import LANGUAGES
from infra.languages.detection import FREQUENT, _identifier, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Buongiorno, avete la bici in negozio?", "it"),
        ("I need help with my order", "en"),
        ("Guten Tag, wann haben Sie morgen geöffnet?", "de"),
        ("Bonjour, je voudrais un remboursement", "fr"),
    ],
)
def test_a_sentence_is_enough(text: str, language: str) -> None:
    assert language_of([text], frozenset()) == language


@pytest.mark.parametrize("texts", [[], [""], ["1"], ["👍"], ["ok"], ["!!!", "12:30"]])
def test_what_no_language_can_be_told_from_is_not_known(texts: list[str]) -> None:
    assert language_of(texts, frozenset({"it"})) is None


def test_messages_count_together() -> None:
    assert language_of(["Ciao", "a che ora aprite domani mattina?"], frozenset()) == "it"


def test_a_language_that_a_rule_names_is_among_those_that_can_be_told() -> None:
    assert language_of(["Dobar dan, kada ste otvoreni sutra?"], frozenset({"hr"})) == "hr"


def test_rules_may_name_the_languages_that_can_be_told() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    labels = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True).labels  # type: ignore[no-untyped-call]
    assert {label for label in labels if len(label) == 2} == LANGUAGES


def test_a_language_that_nobody_can_tell_is_left_out() -> None:
    """An older version took any two letters; that must not stop all rules."""
    assert language_of(["Buongiorno, avete la bici in negozio?"], frozenset({"zz"})) == "it"


def test_each_choice_of_languages_shares_the_model() -> None:
    one, other = (_identifier(FREQUENT | {language}) for language in ("hr", "da"))
    assert one.tk_nextmove is other.tk_nextmove  # type: ignore[attr-defined]
    assert language_of(["Dobar dan, kada ste otvoreni sutra?"], frozenset({"hr"})) == "hr"
