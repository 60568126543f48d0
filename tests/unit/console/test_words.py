"""The console's texts in every one of its languages."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from console.words import LANGUAGES, Words, negotiate_language, phone, zone, zone_meant
from tests.support.paths import ROOT

CONSOLE = ROOT / "console"
NOW = datetime(2026, 11, 23, 17, 20, 5, tzinfo=UTC)


def said() -> set[tuple[str | None, str]]:
    """Every text of code and templates, with its context."""
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    keywords: dict[str, Any] = {
        "_": None,
        "gettext": None,
        "ngettext": (1, 2),
        "gettext_noop": None,
        "translated": None,
    }
    keywords["pgettext_noop"] = keywords["pgettext"] = ((1, "c"), 2)
    options = {"templates/**.html": {"newstyle_gettext": "true", "trim_blocks": "true"}}
    found = [
        *extract_from_dir(str(ROOT / "console"), methods, options, keywords=keywords),
        *extract_from_dir(str(ROOT / "domain" / "contract"), methods[:1], keywords=keywords),
        *extract_from_dir(str(ROOT / "domain" / "alarms"), methods[:1], keywords=keywords),
        *extract_from_dir(str(ROOT / "domain" / "directory_file"), methods[:1], keywords=keywords),
        *extract_from_dir(str(ROOT / "domain" / "setup"), methods[:1], keywords=keywords),
    ]
    return {(of, message if isinstance(message, str) else message[0]) for _, _, message, _, of in found}


@pytest.mark.parametrize("language", sorted(LANGUAGES.keys() - {"en"}))
def test_every_text_is_translated_and_nothing_else(language: str) -> None:
    with (CONSOLE / "locale" / language / "LC_MESSAGES" / "console.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    translated = {
        (message.context, message.id if isinstance(message.id, str) else message.id[0])
        for message in catalogue
        if message.id
    }
    assert said() == translated
    unfinished = [
        message.id for message in catalogue if message.id and (message.fuzzy or not all(message.string or ""))
    ]
    assert [] == unfinished
    assert [] == [message.id for message in catalogue for _ in message.check(catalogue)]


def test_undo_and_cancel_have_different_words() -> None:
    for language in LANGUAGES:
        words = Words(language, ZoneInfo("UTC"), NOW)
        assert words.gettext("Undo") != words.gettext("Cancel")


@pytest.mark.parametrize(
    ("text", "one", "many"),
    [
        ("%(n)s active", "%(n)s attiva", "%(n)s attive"),
        ("%(n)s closed", "%(n)s chiusa", "%(n)s chiuse"),
        ("%(n)s dismissed", "%(n)s archiviata", "%(n)s archiviate"),
        ("%(num)s left alone", "%(num)s lasciato solo", "%(num)s lasciati soli"),
        ("%(num)s done", "%(num)s eseguita", "%(num)s eseguite"),
        ("%(used)s of %(most)s slots", "%(used)s posto su %(most)s", "%(used)s posti su %(most)s"),
    ],
)
def test_of_one_italian_speaks_in_the_singular_where_english_has_one_form(text: str, one: str, many: str) -> None:
    words = Words("it", ZoneInfo("UTC"), NOW)
    assert [many, one, many] == [words.ngettext(text, text, n) for n in (0, 1, 2)]


@pytest.mark.parametrize(
    ("ago", "english", "italian"),
    [
        (timedelta(seconds=5), "just now", "adesso"),
        (timedelta(minutes=8), "8 min ago", "8 min fa"),
        (timedelta(hours=23), "23 hr ago", "23 h fa"),
        (timedelta(days=1, hours=2), "22 Nov, 16:20", "22 nov, 16:20"),
        (timedelta(days=400), "19 Oct 2025, 19:20", "19 ott 2025, 19:20"),
    ],
)
def test_ages_are_written_as_people_say_them(ago: timedelta, english: str, italian: str) -> None:
    both = [Words(language, ZoneInfo("Europe/Rome"), NOW).ago(NOW - ago) for language in ("en", "it")]
    assert [english, italian] == both


def test_a_time_has_its_weekday_only_in_these_days() -> None:
    words = Words("en", ZoneInfo("Europe/Rome"), NOW)
    days = [words.day_and_clock(NOW + timedelta(days=days)) for days in (-20, -2, 2, 20)]
    assert ["3 Nov, 18:20", "Sat 18:20", "Wed 18:20", "13 Dec, 18:20"] == days


def test_time_left_is_hours_and_minutes_or_seconds_and_never_negative() -> None:
    words = Words("en", ZoneInfo("UTC"), NOW)
    for left, shown in (
        (timedelta(hours=5, minutes=2, seconds=59), "5 h 02 min"),
        (timedelta(minutes=1), "0 h 01 min"),
        (timedelta(seconds=59), "59 s"),
        (-timedelta(hours=1), "0 h 00 min"),
    ):
        assert shown == words.left(NOW + left)


def test_an_exact_time_has_its_offset() -> None:
    assert "23 Nov 2026, 18:20:05 +01:00" == Words("en", ZoneInfo("Europe/Rome"), NOW).moment(NOW)


@pytest.mark.parametrize(
    ("accepted", "language"), [(["it-IT"], "it"), (["de", "it"], "it"), (["de"], "en"), ([], "en"), (["*"], "en")]
)
def test_the_browsers_best_language_is_used(accepted: list[str], language: str) -> None:
    assert language == negotiate_language(accepted)


@pytest.mark.parametrize("name", [None, "", "Nowhere/Land", "../../etc/passwd", "/etc/passwd", "x" * 100, "Europe"])
def test_an_invalid_time_zone_is_none(name: str | None) -> None:
    assert zone(name) is None


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Roma", "Europe/Rome"),
        (" rome ", "Europe/Rome"),
        ("Europe/Rome", "Europe/Rome"),
        ("sao paulo", "America/Sao_Paulo"),
        ("Città del Messico", "America/Mexico_City"),
        ("nowhere", None),
        ("../etc/passwd", None),
    ],
)
def test_a_time_zone_is_found_by_its_city(typed: str, name: str | None) -> None:
    found = zone_meant(typed)
    assert name == (found and found.key)


@pytest.mark.parametrize(
    ("wa_id", "shown"),
    [("393005550101", "+39 300 555 0101"), ("447700900142", "+44 7700 900142"), ("391", "391"), ("IT.55", "IT.55")],
)
def test_phones_are_written_as_people_write_them(wa_id: str, shown: str) -> None:
    assert shown in (phone(wa_id), phone(wa_id).removeprefix("+"))
