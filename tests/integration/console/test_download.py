"""The list as a spreadsheet file: what is in it, how it is sent, and how many there are at a time."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import openpyxl
import psycopg
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from console.downloads import Downloads
from domain.facts import CustomerTurn, Party
from tests.support.console import Browser, Console, open_console
from tests.support.stories import FactMaker

ROME = ZoneInfo("Europe/Rome")


def table(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def sheet_of(content: bytes) -> Worksheet:
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert isinstance(sheet, Worksheet)
    return sheet


def by_title(content: bytes) -> list[dict[str, Any]]:
    titles, *rows = sheet_of(content).iter_rows()
    return [{str(title.value): cell for title, cell in zip(titles, row, strict=True)} for row in rows]


def test_a_download_has_the_filtered_list_with_formulas_as_text(console: Console, boss: Browser) -> None:
    console.office.customer_writes("=cmd|' /C calc'!A0", "391")
    console.office.customer_writes("closed", "392", hours_ago=30)
    table = list(csv.reader(io.StringIO(boss.download("/unmanaged.csv?status=active").decode("utf-8-sig"))))
    assert ["'=cmd|' /C calc'!A0"] == [row[5] for row in table[1:]]
    book = openpyxl.load_workbook(io.BytesIO(boss.download("/unmanaged.xlsx?status=all")))
    sheet = book.active
    assert sheet is not None
    cells = [row[5] for row in sheet.iter_rows(min_row=2)]
    assert {"=cmd|' /C calc'!A0", "closed"} == {cell.value for cell in cells}
    assert {"s"} == {cell.data_type for cell in cells}
    assert 2 == len(console.audited("downloaded"))


@pytest.mark.parametrize(
    ("written", "cell"),
    [
        ("ciao;=cmd|'/C calc'!A0;", "ciao;'=cmd|'/C calc'!A0;"),
        ("ciao, =1+1", "ciao, '=1+1"),
        ("ciao\n@SUM(A1)", "ciao\n'@SUM(A1)"),
        ('ciao;"=1+1"', 'ciao;"\'=1+1"'),
        (" +1", " '+1"),
        ("\t=1", "'\t'=1"),
        ("ciao;＝1", "ciao;'＝1"),
        ("\ufeff=1+1", "\ufeff'=1+1"),
        ("\u200b\u2060 =1+1", "\u200b\u2060 '=1+1"),
        ("ciao;\u200b@SUM(A1)", "ciao;\u200b'@SUM(A1)"),
        ("\u3164﹦1", "\u3164'﹦1"),
        ("1 + 1 = 2; well-known", "1 + 1 = 2; well-known"),
        ("a\u200b=1", "a\u200b=1"),
    ],
)
def test_text_that_another_locale_would_split_into_a_formula_is_text(
    console: Console, boss: Browser, written: str, cell: str
) -> None:
    console.office.customer_writes(written)
    table = list(csv.reader(io.StringIO(boss.download("/unmanaged.csv").decode("utf-8-sig"), newline="")))
    assert cell == table[1][5]


@pytest.mark.parametrize(("language", "delimiter"), [("en", ","), ("it", ";")])
def test_cells_are_separated_as_spreadsheet_programs_of_the_language_expect(
    console: Console, boss: Browser, language: str, delimiter: str
) -> None:
    console.office.customer_writes("one, two; three")
    content = boss.download("/unmanaged.csv", **{"Accept-Language": language}).decode("utf-8-sig")
    assert ["one, two; three"] == [row[5] for row in csv.reader(io.StringIO(content), delimiter=delimiter)][1:]


def test_a_workbook_has_real_times_in_the_zone_that_its_header_names(console: Console, boss: Browser) -> None:
    boss.post("/account/words", language="", zone="Europe/Rome")
    row = console.office.customer_writes("hello", "393005550101", hours_ago=2)
    (stored,) = console.office.rows("select * from conversations")
    (found,) = by_title(boss.download("/unmanaged.xlsx"))
    for title, column in (
        ("First message at", "opened_at"),
        ("Last message at", "last_at"),
        ("Window ends at", "window_ends_at"),
    ):
        local = stored[column].astimezone(ROME)
        cell = found[f"{title} (Europe/Rome)"]
        assert isinstance(cell.value, datetime)
        assert abs(cell.value - local.replace(tzinfo=None)) < timedelta(seconds=1)
        assert ("yyyy\\-mm\\-dd\\ hh:mm:ss", f"UTC{local:%z}") == (
            cell.number_format,
            found[f"{title}: UTC offset"].value.replace(":", ""),
        )
    assert timedelta(hours=21) < found["Time left (h:mm)"].value < timedelta(hours=22)
    assert ["393005550101", str(row), 1, "Nothing chosen", "The customer did not choose anything from the menu."] == [
        found[title].value for title in ("Phone", "Conversation", "Entries", "Why", "Why, in words")
    ]
    empty = ("Closed at (Europe/Rome)", "Closed at: UTC offset", "Owner", "User id")
    assert [(None, "n")] * 4 == [(found[title].value, found[title].data_type) for title in empty]


def test_the_hour_that_comes_twice_can_be_told_apart(console: Console, boss: Browser) -> None:
    boss.post("/account/words", language="", zone="Europe/Rome")
    first = datetime.fromisoformat("2026-10-25T02:30:00+02:00")
    for phone, at in (("391", first), ("392", first + timedelta(hours=1))):
        console.office.process(turn_at(phone, at))
    titles, *rows = table(boss.download("/unmanaged.csv?status=all"))
    columns = titles.index("Last message at (Europe/Rome)"), titles.index("Last message at: UTC offset")
    assert [["2026-10-25 02:30:00", "UTC+01:00"], ["2026-10-25 02:30:00", "UTC+02:00"]] == [
        [row[column] for column in columns] for row in rows
    ]


def turn_at(phone: str, at: datetime) -> CustomerTurn:
    turn = FactMaker(customer=Party(wa_id=phone)).turn(0, f"hello from {phone}")
    return turn.model_copy(update={"at": at, "sent_at": at})


def test_a_workbook_freezes_and_filters_its_header_and_says_what_it_is(console: Console, boss: Browser) -> None:
    console.office.customer_writes("hello")
    content = boss.download("/unmanaged.xlsx?status=active&reason=no_choice&q=hello")
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = sheet_of(content)
    assert ("Unmanaged conversations", "A2", f"A1:AC{sheet.max_row}", 2) == (
        sheet.title,
        sheet.freeze_panes,
        sheet.auto_filter.ref,
        sheet.max_row,
    )
    assert all(cell.font.bold for cell in sheet[1])
    assert 29 == sum(each.width >= 10 for each in sheet.column_dimensions.values())
    title = str(book.properties.title)
    for words in ("Unmanaged conversations", str(console.clock().year), "(UTC)", "Active", "Nothing chosen", "hello"):
        assert words in title


def test_the_name_of_a_file_says_when_and_which_list(console: Console, boss: Browser) -> None:
    now = console.clock()
    answer, _ = boss.fetch("/unmanaged.csv?status=closed&q=caff%C3%A8+%22x")
    plain, encoded = answer.headers["Content-Disposition"].removeprefix("attachment; filename=").split("; ")
    day = f"unmanaged-{now:%Y-%m-%d}-"
    assert plain.startswith(f'"{day}') and plain.endswith('-Closed-caff--x.csv"')
    assert unquote(encoded.removeprefix("filename*=UTF-8''")).endswith("-Closed-caffè-x.csv")
    answer, _ = boss.fetch("/unmanaged.csv?status=closed&tag=urgent")
    assert "-Closed-urgent.csv" in answer.headers["Content-Disposition"]


def test_texts_that_a_workbook_could_misread_arrive_as_they_are(console: Console, boss: Browser) -> None:
    for n, text in enumerate(["_x0041_", "a\r\nb", "<&>\"'", "\x01\ufffe", "  two  "]):
        console.office.customer_writes(text, f"39300555{n:04}")
    found = [row["Last text"].value for row in by_title(boss.download("/unmanaged.xlsx?order=newest"))]
    assert ["_x005F_x0041_", "a\nb", "<&>\"'", "\ufffd\ufffd", "  two  "] == found[::-1]


def test_a_file_ends_with_a_line_that_says_so_when_the_database_goes_away(database: str) -> None:
    def refused() -> psycopg.Connection[Any]:
        raise psycopg.OperationalError

    with open_console(database, download_connection=refused) as console:
        console.office.customer_writes()
        boss = console.signed_in()
        words = "This file is incomplete: the database did not respond. Try again."
        assert [words] == table(boss.download("/unmanaged.csv"))[-1]
        assert words == sheet_of(boss.download("/unmanaged.xlsx")).cell(2, 1).value


def test_a_file_ends_with_a_line_that_says_so_when_more_rows_match_than_fit(
    console: Console, boss: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.pages.download.MAX_ROWS", 2)
    for n in range(3):
        console.office.customer_writes(f"n{n}", f"39300555{n:04}")
    lines = table(boss.download("/unmanaged.csv"))
    assert (4, ["More conversations match than fit into a file."]) == (len(lines), lines[-1])


def test_a_file_that_takes_too_long_says_so(console: Console, boss: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.pages.download.LONGEST_SECONDS", -1)
    console.office.customer_writes()
    assert "it took too long" in table(boss.download("/unmanaged.csv"))[-1][0]


def test_a_person_has_one_download_at_a_time_and_all_people_a_few(database: str) -> None:
    downloads = Downloads(most=2)
    with open_console(database, downloads=downloads) as console:
        console.person("ben")
        boss, ben = console.signed_in(), console.signed_in("ben")
        assert 200 == boss.get("/unmanaged.csv").status_code
        again = boss.get("/unmanaged.xlsx")
        assert (429, "30") == (again.status_code, again.headers["Retry-After"])
        assert "You are already downloading a file." in again.text
        downloads.take("carla")
        full = ben.get("/unmanaged.csv")
        assert (503, "30") == (full.status_code, full.headers["Retry-After"])
        assert "Too many files are being downloaded." in full.text


def test_a_download_holds_none_of_the_connections_of_the_pages(console: Console, boss: Browser) -> None:
    console.office.customer_writes()
    receive = boss.begin_download("/unmanaged.csv")
    lent = [console.deps.pool.getconn() for _ in range(console.deps.pool.max_size)]
    try:
        assert 2 == len(table(receive()))
    finally:
        for each in lent:
            console.deps.pool.putconn(each)
