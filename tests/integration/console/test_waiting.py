"""*Waiting customers*: who waits longest is on top, each list has its count, and a reservation its end."""

import csv
import io
import re

import pytest

from tests.support.console import Browser, Console, OpenList, ids
from tests.support.stories import NUMBER


def test_who_waits_longest_is_on_top_on_every_page(console: Console, boss: Browser) -> None:
    rows = [console.office.customer_writes("1", f"39{n:03}", hours_ago=1 + n) for n in range(12)]
    boss.get("/unmanaged?rows=10&keep=1")
    page = boss.get("/waiting").text
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following is not None
    last = boss.get(following[1].replace("&amp;", "&")).text
    assert [*reversed(rows)] == [*ids(page), *ids(last)]
    assert "From the beginning" in last


def test_each_list_has_its_count(console: Console, boss: Browser) -> None:
    for n in range(3):
        console.office.customer_writes("1", f"39{n:03}")
    page = boss.get("/waiting").text
    assert ["(3)", "(0)", "(0)"] == re.findall(r"(\(\d+\))</a>", page)


def test_the_list_is_filtered_by_number_and_its_counts_and_announcements_follow(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes("1", "391")
    here, elsewhere = (f"/waiting?number={number}" for number in (NUMBER, "550100000000002"))
    page = boss.get(here).text
    assert ([row], ["(1)", "(0)", "(0)"]) == (ids(page), re.findall(r"(\(\d+\))</a>", page))
    assert f'<option value="{NUMBER}" selected>' in page
    assert f"/waiting?number={NUMBER}&amp;state=managed" in page
    page = boss.get(elsewhere).text
    assert ([], "(0)", True) == (ids(page), re.findall(r"(\(\d+\))</a>", page)[0], "1 waiting" in page)
    lists = [OpenList(console, boss, path) for path in (here, elsewhere)]
    console.office.customer_writes("1", "392")
    assert [True, False] == ["1 more conversation: show it" in each.look() for each in lists]


def test_the_list_is_searched_and_filtered_by_who_has_it_and_says_how_many_match(
    console: Console, boss: Browser
) -> None:
    sales, support = console.office.customer_writes("1", "391"), console.office.customer_writes("2", "392")
    reserved = console.office.customer_writes("a bicycle", "393")
    boss.submit(f"/conversations/{reserved}/transfer/user", "dialog", to="anna", mode="exclusive")
    console.process_commands()
    for query, expected in {
        "": [sales, support, reserved],
        "to=skillset:sales": [sales],
        "to=skillset:support": [support],
        "to=user:anna": [reserved],
        "to=user:ben": [],
        "to=nobody": [sales, support, reserved],
        "q=bicycle": [reserved],
        "q=392": [support],
        "q=bicycle&to=skillset:sales": [],
        "q=...": [],
    }.items():
        page = boss.get(f"/waiting?{query}").text
        assert (query, expected) == (query, ids(page))
        assert f"({len(expected)})" == re.findall(r"(\(\d+\))</a>", page)[0]
        assert ("No matches." in page) is not bool(expected)


def test_its_rows_are_the_person_s_and_a_page_says_which_of_how_many_it_shows(console: Console, boss: Browser) -> None:
    for n in range(12):
        console.office.customer_writes("1", f"39{n:03}")
    assert "/waiting" == boss.get("/waiting?rows=10&keep=25.urgent.active").location
    page = boss.get("/waiting").text
    assert (10, True) == (len(ids(page)), "1 to 10 of 12" in page)
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following is not None
    assert "11 to 12 of 12" in boss.get(following[1].replace("&amp;", "&")).text


def test_it_is_downloaded_as_it_is_filtered(console: Console, boss: Browser) -> None:
    console.office.customer_writes("1", "391")
    console.office.customer_writes("2", "392")
    content = boss.download("/waiting.csv?to=skillset:support").decode("utf-8-sig")
    titles, *rows = csv.reader(io.StringIO(content, newline=""))
    assert [("392", "Queued for Support")] == [(row[titles.index("Phone")], row[titles.index("Owner")]) for row in rows]
    assert {"to": "skillset:support", "kind": "csv"} == console.office.rows(
        "select detail from console_audit where event = 'downloaded'"
    )[0]["detail"]


def test_many_that_wait_are_transferred_to_others_the_most_urgent_first(console: Console, boss: Browser) -> None:
    """They are recalled first; what somebody else decided meanwhile stays as it is."""
    rows = [console.office.customer_writes("1", f"39{hours}", hours_ago=hours) for hours in (1, 20, 3)]
    console.office.presence("carla", "ready")
    page = boss.post("/bulk", "dialog", do="skillset", pick=[str(row) for row in rows], reroutes="1").text
    assert ("3 can be transferred." in page, "They are recalled first." in page) == (True, True)
    boss.submit(f"/conversations/{rows[2]}/transfer/user", "dialog", to="ben", mode="exclusive")
    console.process_commands()
    answer = boss.send(page, "dialog", to="support", mode="split").text
    console.process_commands()
    found = re.search(r'hx-get="(/bulk/[^"?]+)', answer)
    assert found is not None
    shown = boss.get(found[1], "dialog").text
    assert "2 done · 1 rejected · 0 pending" in shown
    owners = console.office.rows("select owner_id, owner_state from conversations order by last_at")
    assert [("carla", "a"), ("ben", "r"), ("support", "r")] == [(*owner.values(),) for owner in owners]


def test_many_that_wait_are_recalled_and_back_on_the_list(console: Console, boss: Browser) -> None:
    rows = [console.office.customer_writes("1", f"39{n}") for n in range(2)]
    left_alone = console.office.customer_writes("x", "399")
    picked = [str(row) for row in (*rows, left_alone)]
    page = boss.post("/bulk", "dialog", do="recall", pick=picked, reroutes="1").text
    assert ("2 can be recalled." in page, "1 will be skipped:" in page) == (True, True)
    boss.send(page, "dialog")
    assert [("applied", None)] * 2 == console.process_commands()
    assert {*rows, left_alone} == set(ids(boss.get("/unmanaged").text))


def test_a_row_that_waits_can_be_ticked_on_this_list_only(console: Console, boss: Browser) -> None:
    """On the other list it stays only until the page is left, and a selection there is not about it."""
    waits = console.office.customer_writes("1", "391")
    listed = console.office.customer_writes("x", "392")
    box = rf'value="{waits}" form="bulk"[^>]*autocomplete="off">'
    assert re.search(box, boss.get("/waiting").text)
    boss.submit(f"/conversations/{listed}/transfer/user", "dialog", to="anna", mode="exclusive")
    console.process_commands()
    page = boss.post("/bulk", "dialog", do="user", pick=[str(listed)]).text
    assert "0 can be transferred." in page


def test_a_reservation_says_when_it_ends_and_the_panel_how_long_is_left(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    boss.post("/account/words", zone="UTC")
    boss.submit(f"/conversations/{row}/transfer/user", "dialog", to="anna", mode="exclusive")
    console.process_commands()
    until = f"Reserved for anna until {console.office.owner_until():%H:%M}"
    assert until in boss.get("/waiting").text
    panel = boss.get(f"/waiting?open={row}", "panel").text
    assert until in panel
    assert re.search(r"\d+ h \d\d min left", panel)


@pytest.mark.parametrize(
    ("hours_ago", "said"),
    [(0.5, "30 min ago"), (3.01, "3 h ago"), (30, "No message from WhatsApp in the last 24 hours")],
)
def test_an_open_page_says_when_the_last_message_arrived(
    console: Console, boss: Browser, hours_ago: float, said: str
) -> None:
    console.office.customer_writes(hours_ago=hours_ago)
    assert said in OpenList(console, boss).look()


def test_an_open_page_says_that_messages_are_processed_late(console: Console, boss: Browser) -> None:
    console.office.customer_writes()
    console.office.set_watermark("7 minutes")
    assert "Messages are processed 7 minutes late: run witiop doctor" in OpenList(console, boss).look()
    console.office.set_watermark("20 seconds")
    assert "late" not in OpenList(console, boss).look()


def test_an_installation_without_any_message_does_not_say_that_nobody_was_left_alone(
    console: Console, boss: Browser
) -> None:
    assert "No message has arrived yet." in boss.get("/unmanaged").text
    console.office.customer_writes("1")
    assert "Nobody was left alone." in boss.get("/unmanaged").text
