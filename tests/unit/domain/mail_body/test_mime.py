"""Header lines are legal, and every reader sees what was typed."""

import random
from collections.abc import Iterator
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail_body.mime import address_header, capacity, message, text_header
from tests.support.rfc2047 import seen, unfolded

PHRASES = {
    "Latin": (
        "Richiamare Lucia D’Angelo (priorità alta, società Forlì) perché non c’è più È già la terza volta Reclamo di "
        "Giosuè Verdì für Übergabe Lösung über übriggebliebene fibra Größe Straße garçon œuvre naïve Łódź Čeština RE: "
        "Re: Sostituzione del router qui"
    ),
    "Cyrillic": "Клиент ждёт ответа уже третий час заказ № 4512 срочно (г. Москва) объект Подъезд",
    "Chinese": "客户 正在 等待 订单 编号 尚未 收到 自行车 付款 问题 请 尽快 回复 RE:",
    "Arabic": "العميل ينتظر الرد منذ ساعتين الطلب رقم ٤٥١٢ لم يصل بعد 🚲 👩‍🔧 شكرا",
}
TYPED = (
    "Richiamare Lucia D’Angelo (priorità alta, società Forlì)",
    "Reclamo di Giosuè Verdì perché non c’è più disponibilità",
    "Richiamare Mario Bianchi prima che la finestra finisca È già la terza volta",
    "Re: alcune parole di riempimento qui RE: Sostituzione del router ed übriggebliebene fibra",
    "seit Kunde auf Stunden der der zwei zwei Bestellung zwei über für Übergabe Lösung Bestellung möglich über über "
    "wegen für bitte seit wartet auf",
    "客户 正在 等待 " * 7,
)


def subjects(script: str, many: int) -> Iterator[str]:
    """Yields subjects of up to 250 characters from the words of a script, with blanks as people leave them."""
    chance, words = random.Random(script), PHRASES[script].split(" ")
    for _ in range(many):
        text = ""
        for _ in range(chance.randint(1, 24)):
            text += chance.choice(words) + chance.choice([" "] * 9 + ["  "])
        yield text[:250].rstrip() + chance.choice(["", "", "", " "])


@pytest.mark.parametrize("script", PHRASES)
def test_thousands_of_subjects_arrive_as_they_were_typed(script: str) -> None:
    """Two readers see the same: a strict one of ours, and the one of the standard library."""
    for subject in subjects(script, 1500):
        name, text = unfolded(text_header("Subject", subject))
        assert ("Subject", subject) == (name, seen(text))
        assert subject == str(make_header(decode_header(text)))


@pytest.mark.parametrize("subject", TYPED)
def test_subjects_that_the_standard_library_damages_arrive_as_they_were_typed(subject: str) -> None:
    assert subject == seen(unfolded(text_header("Subject", subject))[1])


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=250))
def test_any_text_arrives_as_it_was_typed(text: str) -> None:
    assert text == seen(unfolded(text_header("Subject", text))[1])


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=120))
def test_any_display_name_arrives_as_it_was_typed(name: str) -> None:
    header, text = unfolded(address_header("From", ["inbox@shop.example"], name))
    phrase, _, address = text.rpartition(" ") if name else ("", "", text)
    assert ("From", "<inbox@shop.example>" if name else "inbox@shop.example") == (header, address)
    if phrase.startswith('"'):
        assert phrase.endswith('"')
        assert name == phrase[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    else:
        assert name == seen(phrase)


def test_ascii_stays_as_it_is_and_is_folded_at_blanks() -> None:
    plain = "A customer waits for an answer: " + "please call back today " * 8 + "(order 4512)"
    written = text_header("Subject", plain)
    assert "=?" not in written
    assert all(len(line) <= 78 for line in written.split("\r\n"))
    assert ("Subject", plain) == unfolded(written)
    assert "Subject: Please look" == text_header("Subject", "Please look")
    assert f"Subject: {'x' * 250}" == text_header("Subject", "x" * 250)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "From: a@example.com"),
        ("The shop", "From: The shop <a@example.com>"),
        ("Rossi, Bianchi & C.", 'From: "Rossi, Bianchi & C." <a@example.com>'),
        ('The "best" \\ shop', 'From: "The \\"best\\" \\\\ shop" <a@example.com>'),
        ("Bücher", "From: =?utf-8?b?QsO8Y2hlcg==?= <a@example.com>"),
    ],
)
def test_a_display_name_is_quoted_or_encoded_where_it_must_be(name: str, expected: str) -> None:
    assert expected == address_header("From", ["a@example.com"], name)


def test_fifty_recipients_are_on_lines_that_no_server_refuses() -> None:
    recipients = [f"somebody.with.a.long.name.{number}@department.example.com" for number in range(50)]
    name, text = unfolded(address_header("To", recipients))
    assert ("To", recipients) == (name, text.split(", "))


@given(st.text(max_size=3000), st.text(max_size=3000))
def test_what_fits_in_a_message_is_known_before_it_is_written(plain: str, html: str) -> None:
    plain, html = (text.encode("utf-8", "replace").decode() for text in (plain, html))
    headers = ["Subject: s"]
    added = len(message(headers, plain, html, "en", "=_1")) - len(message(headers, "", "", "en", "=_1"))
    assert capacity(added) <= len(plain.encode()) + len(html.encode())
    assert capacity(added + 200 * 78 // 57 + 160) >= len(plain.encode()) + len(html.encode())
