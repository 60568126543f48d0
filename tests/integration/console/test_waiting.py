"""*Waiting customers*: who waits longest is on top, each list has its count, and a reservation its end."""

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
    assert f"/waiting?state=managed&amp;number={NUMBER}" in page
    page = boss.get(elsewhere).text
    assert ([], "(0)", True) == (ids(page), re.findall(r"(\(\d+\))</a>", page)[0], "1 waiting" in page)
    lists = [OpenList(console, boss, path) for path in (here, elsewhere)]
    console.office.customer_writes("1", "392")
    assert [True, False] == ["1 more conversation: show it" in each.look() for each in lists]


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
