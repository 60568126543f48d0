"""Which skillset a dialog suggests."""

import pytest

from domain.directory import Directory, Number, Skillset
from domain.routing.suggestions import Suggestion, suggested_skillset

NUMBER = Number(
    "1",
    menu={"1": "sales", "2": "repair", "3": "gone"},
    synonyms={"1": ("preventivo", "comprare"), "2": ("officina", "freni")},
)
DIRECTORY = Directory(
    {"1": NUMBER},
    {
        "sales": Skillset("sales", "Vendite"),
        "repair": Skillset("repair", "Officina"),
        "help": Skillset("help", "Aiuto", ("fattura", "Perché")),
    },
)


@pytest.mark.parametrize(
    ("texts", "before", "expected"),
    [
        (["Vorrei un PREVENTIVO per una bici"], None, Suggestion("sales", "words", "preventivo")),
        (["Ho bisogno di aiuto"], None, Suggestion("help", "words", "aiuto")),
        (["I freni non vanno, siete in officina?"], "sales", Suggestion("repair", "words", "freni")),
        (["ok", "vorrei comprare una bici"], None, Suggestion("sales", "words", "comprare")),
        (["freni", "vorrei comprare"], None, Suggestion("repair", "words", "freni")),
        (["Vorrei la FATTURA"], "sales", Suggestion("help", "words", "fattura")),
        (["perche non arriva?"], None, Suggestion("help", "words", "perche")),
        (["comprare i freni"], None, None),
        (["comprare i freni"], "help", Suggestion("help", "before")),
        (["comprare i freni, o solo un preventivo"], "help", Suggestion("sales", "words", "comprare")),
        (["1", "ok"], "repair", Suggestion("repair", "before")),
        ([], "gone", None),
        (["ciao"], None, None),
    ],
)
def test_the_words_of_the_latest_text_count_then_the_skillset_that_the_customer_had_before(
    texts: list[str], before: str | None, expected: Suggestion | None
) -> None:
    assert expected == suggested_skillset(texts, NUMBER, DIRECTORY, before)
