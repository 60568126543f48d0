"""The page *Analytics*: each number leads to exactly the rows that it counts."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape

import openpyxl
import pytest

from tests.support.console import Browser, Console, open_console
from tests.support.counting import CountingRoom, a_busy_day
from tests.support.databases import Databases


@pytest.fixture(scope="module")
def console(databases: Databases) -> Iterator[Console]:
    """One console for all tests of the module, which change none of the numbers."""
    dsn = databases.create()
    with open_console(dsn) as console:
        a_busy_day(console.office)
        room = CountingRoom(console.office)
        room.catch_up()
        as_by_a_rule = "update stat_contributions set rules = '{Last hour}', saved_by = 'rule:Last hour' where "
        console.office.connection.execute(as_by_a_rule + "outcome = 'rescued' and saved_by is not null")
        console.office.connection.execute(
            "insert into stat_rules select day, number, 'Last hour', count(*), count(*) from stat_contributions, "
            "lateral (values (phone_number_id), ('')) as t (number) where cardinality(rules) > 0 group by 1, 2"
        )
        yield console
    databases.drop(dsn)


def numbers_with_links(page: str) -> list[tuple[str, int]]:
    """The numbers of a page that lead to rows, with their addresses."""
    found = re.findall(r'<a [^>]*?href="(/analytics/rows\?[^"]+)"[^>]*>(.*?)</a>', page, re.DOTALL)
    shown = [(unescape(href), re.sub(r"<[^>]*>", "", text).strip()) for href, text in found]
    return [(href, int(n.replace(",", ""))) for href, n in shown if re.fullmatch(r"[\d,]+", n)]


def rows_at(browser: Browser, href: str) -> tuple[int, list[str]]:
    """The number that a list tells, and its rows on all pages."""
    said, rows, path = None, [], f"{href}&rows=10"
    while path:
        page = browser.get(path).text
        heading = re.search(r"<h1>\s*([\d,]+) (?:offer|conversation)", page)
        assert heading is not None, path
        said = int(heading[1]) if said is None else said
        rows += re.findall(r'data-row="([0-9a-f-]{36})"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(following[1]) if following else ""
    assert said is not None
    return said, rows


def test_the_page_says_how_long_agents_were_ready_and_paused(console: Console, boss: Browser) -> None:
    console.office.connection.execute("insert into stat_agent_hours values (current_date, 'anna', 7500, 300)")
    page = boss.get("/analytics").text
    agents = page.partition('id="agents-title"')[2].partition("</section>")[0]
    assert ("2 h 5 min" in agents, "5 min" in agents, "measured once a minute" in agents) == (True, True, True)


@pytest.mark.parametrize("query", ["", "number=bot", "reason=invalid_choice", "number=nowhere"])
def test_each_number_leads_to_exactly_the_rows_that_it_counts(console: Console, boss: Browser, query: str) -> None:
    links = numbers_with_links(boss.get(f"/analytics?{query}").text)
    assert (query == "number=nowhere") == ({0} == {n for _, n in links})
    assert 4 <= len(links)
    for href, n in links:
        said, rows = rows_at(boss, href)
        assert (n, n) == (said, len(rows)), href


def test_every_kind_of_number_has_a_link(console: Console, boss: Browser) -> None:
    hrefs = [href for href, _ in numbers_with_links(boss.get("/analytics").text)]
    for part in (
        *(
            "count=opened",
            "count=unmanaged",
            "count=rescued",
            "count=lost",
            "weekday=",
            "hour=",
            "reason=",
            "step=",
            "left=",
        ),
        *("agent=", "count=offered", "count=accepted", "rule=", "saved="),
    ):
        assert any(part in href for href in hrefs), part


def test_a_duration_leads_to_the_conversations_that_have_it(console: Console, boss: Browser) -> None:
    page = boss.get("/analytics").text
    hrefs = [unescape(href) for href in re.findall(r'href="(/analytics/rows\?[^"]*time=[^"]+)"', page)]
    found = {re.findall("time=(\\w+)", href)[0]: rows_at(boss, href)[0] for href in hrefs}
    ((words, assigned, listed),) = console.office.connection.execute(
        "select count(word_s), count(assigned_s), count(listed_s) from stat_contributions"
    )
    assert {"first_word": words, "assignment": assigned, "listed": listed} == found


def test_the_numbers_of_the_parts_are_that_of_the_whole(console: Console, boss: Browser) -> None:
    links = numbers_with_links(boss.get("/analytics").text)
    whole = next(n for href, n in links if "count=unmanaged" in href)
    for parts in ("weekday=\\d&hour=", "reason=\\w+&count=unmanaged$"):
        of_reasons = [n for href, n in links if re.search(parts, href)]
        assert whole == sum(of_reasons), parts
    hours = [n for href, n in links if "weekday=" in href and "hour=" not in href]
    assert whole == sum(hours)


def test_the_page_says_what_each_word_means_and_how_far_it_has_counted(console: Console, boss: Browser) -> None:
    page = boss.get("/analytics").text
    for text in (
        "on the list for 5 minutes or longer",
        "then a human wrote before the end",
        "within 60 s of the event",
    ):
        assert text in page
    assert "does the process analytics run?" in page
    console.office.connection.execute(
        "insert into consumer_offsets (group_name, topic, topic_id, partition, next_offset, caught_up_to, "
        "progressed_at) values ('witiop.analytics', 'c', 'id', 0, 1, now(), now())"
    )
    assert "counted up to" in boss.get("/analytics").text


def test_days_of_23_and_25_hours_are_named(console: Console, boss: Browser) -> None:
    zone = console.office.connection.execute("update numbers set time_zone = 'Europe/Rome' where softbot")
    assert zone.rowcount
    console.office.connection.execute("update directory_version set version = version + 1")
    page = boss.get("/analytics?from=2026-03-01&to=2026-11-01").text
    assert "29 March had 23 hours" in page
    assert "25 October had 25 hours" in page
    assert "hours:" not in boss.get("/analytics?from=2026-04-01&to=2026-10-01").text


@pytest.mark.parametrize(
    "bad", ["from=x&to=y", "from=2026-05-02&to=2026-05-01", "from=1999-01-01&to=2100-01-01", "reason=x"]
)
def test_an_address_that_makes_no_sense_shows_the_last_13_weeks(console: Console, boss: Browser, bad: str) -> None:
    page = boss.get(f"/analytics?{bad}").text
    assert "13 weeks</a>" in page
    assert re.search(r'aria-current="true">13 weeks', page)


def test_rows_ignore_what_makes_no_sense(console: Console, boss: Browser) -> None:
    bad = "count=x&weekday=9&hour=99&time=x&after=zzz&rows=7&step=.nowhere"
    assert "0 conversations" in boss.get(f"/analytics/rows?{bad}").text
    assert 200 == boss.get("/analytics/rows?weekday=0019&hour=0129999").status_code


def test_the_workbook_has_real_days_and_names_the_zones(console: Console, boss: Browser) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(boss.download("/analytics.xlsx"))).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert "Day, at the number's place" == rows[0][0]
    assert all(isinstance(row[0], datetime) for row in rows[1:])
    assert {"UTC"} >= {row[1] for row in rows[1:] if row[3] == "106540352242922"}
    assert 5 == sum(int(str(row[5])) for row in rows[1:])


def test_the_workbook_of_rows_has_the_rows_of_the_list(console: Console, boss: Browser) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(boss.download("/analytics/rows.xlsx?count=lost"))).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert "First message at (UTC)" == rows[0][0]
    now = datetime.now(UTC).replace(tzinfo=None)
    assert 2 == len(rows[1:])
    assert all(isinstance(row[0], datetime) and now - timedelta(days=3) < row[0] < now for row in rows[1:])
    assert {"lost"} == {row[6] for row in rows[1:]}


def test_who_may_not_see_everything_sees_no_numbers(console: Console) -> None:
    console.person("anna", administrator=False)
    agent = console.signed_in("anna")
    for path in ("/analytics", "/analytics/rows", "/analytics.xlsx", "/analytics/rows.xlsx"):
        assert 403 == agent.get(path).status_code
    assert 'href="/analytics"' not in agent.get("/account").text
