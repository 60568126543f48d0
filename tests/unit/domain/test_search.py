"""Search: what somebody types finds what a customer wrote, whatever the spelling."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.search import MAX_TYPED, asked, missing, passage, searched

ROWS = {
    "Lucía": ("Łucía Müller", "393390000001", "Perché la città è chiusa? Niccolò"),
    "O'Neil": ("O'Neil Smith", "447700900103", "my order A/12345, see promo@example.com"),
    "Jürgen": ("Jürgen Groß", "4915112345678", "Straße, Größe: übergroß"),
    "João": ("João", "5531987654399", "não recebi"),
    "Anna": ("Anna-Maria D\u2019Angelo", "393390000008", "fattura.pdf n°45"),
    "Rossi": ("Rossi/Bianchi", "393390000010", "ok"),
    "Wang": ("王小明", "393390000005", "我想要退款可以吗"),
    "Somchai": ("สมชาย", "393390000006", "ต้องการคืนเงิน"),
    "Işık": ("Işık", "905321234567", "İyi günler"),
    "Ørsted": ("Ørsted Æble", "4520123456", "smørrebrød"),
    "Rome": ("Bar Roma", "39061234567", "ciao"),
    "Ivan": ("Иван Йорк", "79161234567", "Ёлка всё ещё жёлтая"),
    "Fatima": ("فاطمة علی", "201001234567", "أريدُ استردادَ مـــبلغ المدرسة"),
    "Pilar": ("Pilar", "5491123456789", "soft\u00adhyphen zero\u200bwidth"),
    "Lupe": ("Lupe", "525512345678", "hola"),
    "Ana": ("Ana", "553187654390", "oi"),
    "Kim": ("김민수", "821012345678", "환불해 주세요"),
    "Eleni": ("Ελένη", "306912345678", "Καλημέρα, πώς είσαι; ΣΟΦΟΣ"),
    "Ram": ("राम", "919812345678", "मुझे पैसे वापस चाहिए, क़लम"),
    "Sara": ("שרה", "972501234567", "שָׁלוֹם"),
    "Giorgi": ("გიორგი", "995599123456", "თანხის დაბრუნება"),
}


def found_by(typed: str) -> set[str]:
    hits = set()
    for who, (name, phone, text) in ROWS.items():
        words = searched([name, text], [phone], ["IT.7000111", "0190aaaa-bbbb-8ccc-8ddd-eeeeffff0001"]).split(" ")
        for alternative in asked(typed):
            if all(any(word.startswith(wanted) for word in words) for wanted in alternative):
                hits.add(who)
    return hits


@pytest.mark.parametrize(
    ("typed", "who"),
    [
        ("muller", "Lucía"), ("Mu\u0308ller", "Lucía"), ("niccolo", "Lucía"), ("perche citta", "Lucía"),
        ("Lucia", "Lucía"),
        ("0039 339 000 0001", "Lucía"), ("+39 339 0000001", "Lucía"), ("339 000 0001", "Lucía"), ("0001", "Lucía"),
        ("07700 900103", "O'Neil"), ("0044 7700 900103", "O'Neil"), ("+44 (0)7700 900103", "O'Neil"),
        ("900103", "O'Neil"), ("12345", "O'Neil"), ("O\u2019Neil", "O'Neil"), ("oneil", "O'Neil"), ("neil", "O'Neil"),
        ("promo", "O'Neil"), ("0151 12345678", "Jürgen"), ("STRASSE", "Jürgen"), ("gross", "Jürgen"),
        ("31 98765 4399", "João"), ("31 8765 4399", "João"), ("joao NAO", "João"), ("D'Angelo", "Anna"),
        ("maria", "Anna"), ("dangelo", "Anna"), ("fattura", "Anna"), ("pdf", "Anna"), ("Bianchi", "Rossi"),
        ("退款", "Wang"), ("小明", "Wang"), ("吗", "Wang"), ("คืนเงิน", "Somchai"), ("เงิน", "Somchai"),
        ("IŞIK", "Işık"), ("isik", "Işık"), ("iyi gunler", "Işık"), ("orsted aeble", "Ørsted"), ("06 1234567", "Rome"),
        ("8 916 123-45-67", "Ivan"), ("елка", "Ivan"), ("ещё", "Ivan"), ("иорк", "Ivan"),
        ("فاطمه", "Fatima"), ("علي", "Fatima"), ("اريد", "Fatima"), ("مبلغ", "Fatima"), ("المدرسه", "Fatima"),
        ("٠١٠٠١٢٣٤٥٦٧", "Fatima"), ("+٢٠ ١٠٠ ١٢٣ ٤٥٦٧", "Fatima"), ("٣٣٩٠٠٠٠٠٠١", "Lucía"),
        ("011 15-2345-6789", "Pilar"), ("softhyphen", "Pilar"), ("zerowidth", "Pilar"), ("044 55 1234 5678", "Lupe"),
        ("31 98765 4390", "Ana"), ("환불", "Kim"), ("김민", "Kim"), ("καλημερα", "Eleni"), ("σοφοσ", "Eleni"),
        ("पैसे", "Ram"), ("कलम", "Ram"), ("שלום", "Sara"), ("დაბრუნება", "Giorgi"),
        ("Ａｎｇｅｌｏ", "Anna"), ("whatsapp:+393390000008", "Anna"),
    ],
)  # fmt: skip
def test_what_people_type_finds_the_row(typed: str, who: str) -> None:
    assert who in found_by(typed)


@pytest.mark.parametrize(
    "typed", ["IT.7000111", "0190aaaa-bbbb-8ccc-8ddd-eeeeffff0001", "0190AAAABBBB8CCC8DDDEEEEFFFF0001"]
)
def test_ids_are_found_as_they_are_copied(typed: str) -> None:
    assert set(ROWS) == found_by(typed)


def test_all_words_must_be_there_and_the_beginning_of_a_word_is_enough() -> None:
    assert {"Lucía"} == found_by("chiu perch")
    assert set() == found_by("chiusa bianchi")
    assert set() == found_by("erche")


def test_nothing_but_signs_searches_for_nothing() -> None:
    assert [] == asked("  -- !! ") == asked("")
    assert "" == searched([None, "..."], [None], [None])


@given(st.text(max_size=200))
def test_a_text_is_found_by_itself(text: str) -> None:
    words = searched([text], [], []).split(" ")
    assert [] == [wanted for wanted in next(iter(asked(text)), []) if not any(w.startswith(wanted) for w in words)]
    assert "" not in words or words == [""]
    assert len(next(iter(asked(text)), [])) <= MAX_TYPED


@given(st.text(" 0aé\u00a0\t", max_size=20), st.text(" 0aé\n", max_size=20))
def test_no_id_of_a_sender_makes_an_empty_word(wa_id: str, user_id: str) -> None:
    """PostgreSQL refuses to compare a row with an empty word, and every search compares all rows of the list."""
    words = searched(["Anna"], [wa_id], [user_id])
    assert all(words.split(" ")), repr(words)


@pytest.mark.parametrize("char", ["(", "'", "é", "退", "0", "a'", "\u0301"])
def test_folding_takes_time_by_the_length_of_the_text_only(char: str) -> None:
    def seconds(length: int) -> float:
        began = process_time()
        for _ in range(3):
            searched([char * length], [], [])
            asked(char * length)
        return process_time() - began

    seconds(1000)
    assert seconds(40_000) < 40 * max(seconds(4_000), 0.001)


@pytest.mark.parametrize(
    ("text", "typed", "marked"),
    [
        ("My Réfund, please: REFUNDS take long", "refund", ["Réfund", "REFUNDS"]),
        ("L'été dernier", "ete", ["L'été"]),
        ("call +39 300 5550101 now", "+39 300 5550101", ["39", "300", "5550101"]),
        ("你好世界朋友", "世界", ["世界"]),
        ("an order, not a border", "order", ["order"]),
        ("line one\nline two", "two", ["two"]),
    ],
)
def test_a_passage_marks_the_words_that_were_searched(text: str, typed: str, marked: list[str]) -> None:
    found = passage(text, asked(typed))
    assert found is not None
    assert marked == [piece.text for piece in found.pieces if piece.is_match]
    assert " ".join(text.splitlines()) == "".join(piece.text for piece in found.pieces)


def test_a_passage_of_a_long_text_is_short_and_begins_near_the_match() -> None:
    found = passage(f"{'before ' * 100}Order {'after ' * 100}", asked("order"))
    assert found is not None
    shown = "".join(piece.text for piece in found.pieces)
    assert ("…", "…", True) == (shown[0], shown[-1], len(shown) < 200)
    assert shown.index("Order") < 50


@given(st.text(max_size=40), st.text(max_size=20))
def test_a_passage_never_changes_a_text_and_shows_it_only_where_something_is_found(text: str, typed: str) -> None:
    found = passage(text, asked(typed))
    if found is None:
        return
    shown = "".join(piece.text for piece in found.pieces)
    assert " ".join(shown.split()) in " ".join(text.split())
    assert any(piece.is_match for piece in found.pieces)


def test_what_a_row_lacks_of_a_search_is_nothing_if_it_has_all_of_an_alternative() -> None:
    wanted = asked("anna refund")
    assert {"refund"} == missing(["anna", "hello"], wanted)
    assert set() == missing(["annabel", "refunds"], wanted)
    assert set() == missing(["5550101"], asked("555 0101"))
