"""Caches never show outdated data: any change in the database makes a list be read again."""

import re
from html import unescape

from console.table.snapshot_cache import MOST, SnapshotCache
from tests.support.console import Browser, Console, ids


def test_a_cached_value_is_read_again_after_any_write() -> None:
    cache, read = SnapshotCache(), iter(range(10))
    found = [cache.get(as_of, "list", lambda: next(read)) for as_of in ("1:1:", "1:1:", "2:2:", "2:2:")]
    assert [0, 0, 1, 1] == found


def test_each_list_is_cached_separately_and_the_cache_is_bounded() -> None:
    cache = SnapshotCache()
    assert list(range(2 * MOST)) == [cache.get("1:1:", place, lambda: place) for place in range(2 * MOST)]  # noqa: B023
    assert len(cache._entries) <= MOST


def test_a_reopened_list_shows_what_changed_in_between(console: Console, boss: Browser) -> None:
    first = console.office.customer_writes("hello", "391", hours_ago=2)
    assert [[first]] * 2 == [ids(boss.get("/unmanaged").text) for _ in range(2)]
    second = console.office.customer_writes("hello", "392", hours_ago=1)
    assert [first, second] == ids(boss.get("/unmanaged").text)
    assert "2 active" in boss.get("/unmanaged").text
    console.office.results_of(console.office.transfer(second, "user", "anna", "exclusive"))
    page = boss.get("/unmanaged").text
    assert [first] == ids(page)
    assert "1 waiting" in page


def test_people_with_other_page_sizes_get_their_own_pages(console: Console, boss: Browser) -> None:
    for n in range(12):
        console.office.customer_writes(phone=f"39{n:03}")
    assert 12 == len(ids(boss.get("/unmanaged").text))
    assert 10 == len(ids(boss.get("/unmanaged?rows=10").text))
    further = re.search(r'rel="next" href="([^"]+)"', boss.get("/unmanaged?rows=10").text)
    assert further is not None
    assert 2 == len(ids(boss.get(unescape(further[1])).text))


def test_a_cached_row_is_rendered_again_when_its_owner_is_renamed(console: Console, boss: Browser) -> None:
    waits = console.office.customer_writes("1")
    assert "Queued for Sales" in boss.get("/waiting").text
    known = console.office.connection.execute("update skillsets set name = 'Showroom' where id = 'sales'")
    assert 1 == known.rowcount
    console.office.connection.execute("update directory_version set version = version + 1")
    page = boss.get("/waiting").text
    assert [waits] == ids(page)
    assert "Queued for Showroom" in page


def test_rows_have_the_language_and_the_time_zone_of_the_viewer(console: Console, boss: Browser) -> None:
    console.office.customer_writes("hello", hours_ago=1)
    english = boss.get("/unmanaged", **{"Accept-Language": "en"}).text
    italian = boss.get("/unmanaged", **{"Accept-Language": "it"}).text
    assert "Nothing chosen" in english
    assert "Nothing chosen" not in italian
    boss.http.set_cookie("zone", "Asia/Tokyo")
    assert "+09:00" in boss.get("/unmanaged", **{"Accept-Language": "en"}).text
