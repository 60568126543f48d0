"""*Unmanaged conversations* as a page: manual facts S2, S5, S6, S7, and the filter bar."""

import re
from dataclasses import replace
from html import unescape
from uuid import UUID

import pytest

from domain.facts import AgentAccepted, Party
from tests.support.console import Browser, Console, assets, ids
from tests.support.office import COMPANY
from tests.support.stories import NUMBER, FactMaker


def test_the_page_shows_who_was_left_alone_and_why(console: Console, boss: Browser) -> None:
    left_alone = console.office.customer_writes("Is anybody <b>there</b>?", "393005550101", hours_ago=2)
    page = boss.get("/unmanaged").text
    assert [left_alone] == ids(page)
    for shown in ("Is anybody &lt;b&gt;there&lt;/b&gt;?", "+39 300 555 0101", "Nothing chosen", "Active", "1 active"):
        assert shown in page


def test_a_handled_conversation_is_not_on_the_list(console: Console, boss: Browser) -> None:
    managed = console.office.customer_writes()
    console.office.desktop_reports(AgentAccepted, "anna", managed)
    page = boss.get("/unmanaged").text
    assert [] == ids(page)
    assert "Nobody was left alone." in page


def test_active_and_closed_differ_in_shape_and_word_not_only_in_colour(console: Console, boss: Browser) -> None:
    active = console.office.customer_writes("a", "391")
    closed = console.office.customer_writes("b", "392", hours_ago=30)
    page = boss.get("/unmanaged?status=all").text
    rows = dict(zip(ids(page), re.findall(r"<tr id=.*?</tr>", page, re.DOTALL), strict=True))
    assert all(mark in rows[active] for mark in ('href="#i-active"', "Active"))
    assert all(mark in rows[closed] for mark in ('href="#i-closed"', "Closed"))


def test_the_buttons_of_a_closed_conversation_say_why_they_are_disabled(console: Console, boss: Browser) -> None:
    console.office.customer_writes(hours_ago=30)
    page = boss.get("/unmanaged?status=closed").text
    why = "Closed: the 24-hour window is over."
    for title in ("Transfer to a user", "Transfer to a skillset"):
        assert f'aria-disabled="true" aria-label="{title}: {why}"' in page
    assert "/transfer/" not in page


def test_the_number_of_rows_is_remembered(console: Console, boss: Browser) -> None:
    for n in range(12):
        console.office.customer_writes(phone=f"39{n:03}")
    answer = boss.get("/unmanaged?rows=10&keep=1&status=active")
    assert (303, "/unmanaged") == (answer.status_code, answer.location)
    assert 10 == len(ids(console.signed_in().get("/unmanaged").text))
    assert 12 == len(ids(boss.get("/unmanaged?rows=100").text))
    assert 10 == len(ids(boss.get("/unmanaged").text))  # an address shows what it says, and changes nothing


def test_the_active_ones_are_listed_until_the_person_chooses_otherwise_which_is_remembered(
    console: Console, boss: Browser
) -> None:
    active, closed = console.office.customer_writes("a", "391"), console.office.customer_writes("b", "392", 30)
    assert [active] == ids(boss.get("/unmanaged").text)
    for status, expected in (("all", [active, closed]), ("closed", [closed])):
        boss.get(f"/unmanaged?keep=25.urgent.active&status={status}")
        assert expected == ids(console.signed_in().get("/unmanaged").text)
    page = boss.get("/unmanaged").text
    assert 'name="status" value="closed" checked' in page


def test_who_goes_on_from_a_link_that_somebody_sent_keeps_their_own_preferences(
    console: Console, boss: Browser
) -> None:
    for n in range(12):
        console.office.customer_writes(phone=f"39{n:03}")
    page = boss.get("/unmanaged?rows=10&order=newest&status=all").text
    shown = re.search(r'name="keep" value="([^"]+)"', page)
    assert shown is not None
    answer = boss.get(f"/unmanaged?keep={shown[1]}&rows=10&order=newest&status=all&q=hello")
    assert "/unmanaged?status=all&q=hello&order=newest&rows=10" == answer.location
    page = boss.get("/unmanaged").text
    assert (12, True, True) == (len(ids(page)), 'value="active" checked' in page, 'value="newest">' in page)


def test_the_column_of_numbers_is_there_where_there_are_several(console: Console, boss: Browser) -> None:
    console.office.customer_writes()
    assert '<table role="table" id="list" aria-label' in boss.get("/unmanaged").text
    console.office.apply_directory(replace(COMPANY, numbers={NUMBER: COMPANY.numbers[NUMBER]}))
    assert '<table role="table" id="list" class="one-number" aria-label' in boss.get("/unmanaged").text


def test_an_empty_list_says_what_there_is_instead(console: Console, boss: Browser) -> None:
    closed = console.office.customer_writes(hours_ago=30)
    page = boss.get("/unmanaged").text
    assert ([], True) == (ids(page), "Nobody is left alone now." in page)
    found = re.search(r'<a href="([^"]+)">\s*Show the closed one\s*</a>', page)
    assert found is not None
    assert [closed] == ids(boss.get(unescape(found[1])).text)


def test_the_order_is_chosen_at_the_head_of_a_column_and_remembered(console: Console, boss: Browser) -> None:
    written = [console.office.customer_writes(phone=f"39{n}", hours_ago=1 + n) for n in range(3)]
    page = boss.get("/unmanaged").text
    assert written[::-1] == ids(page)
    head = re.search(r'class="w-left" aria-sort="ascending">\s*<a href="[^"]+">Time left<', page)
    assert head is not None
    newest = re.search(r'class="w-text">\s*<a href="([^"]+)">Last message<', page)
    assert newest is not None
    assert "/unmanaged" == boss.get(unescape(newest[1])).location
    page = boss.get("/unmanaged").text
    assert written == ids(page)
    assert 'class="w-text" aria-sort="descending"' in page
    assert '<option value="newest" selected>' in page
    assert written[::-1] == ids(boss.get("/unmanaged?order=urgent").text)


def test_a_link_on_another_site_changes_no_preference(console: Console, boss: Browser) -> None:
    console.office.customer_writes()
    answer = boss.get("/unmanaged?rows=10&order=newest&keep=1", **{"Sec-Fetch-Site": "cross-site"})
    assert "/unmanaged?order=newest&rows=10" == answer.location
    assert '<option value="25" selected>' in boss.get("/unmanaged").text


@pytest.mark.parametrize("order", ["newest", "urgent", ""])
def test_paging_reaches_the_whole_list_and_back(console: Console, boss: Browser, order: str) -> None:
    """Without an order in the address the customer who is lost first is on top."""
    written = [console.office.customer_writes(phone=f"39{n:03}", hours_ago=1 + n * 1.3) for n in range(24)]
    active, closed = written[:18], written[18:]
    expected = written if order == "newest" else [*reversed(active), *closed]

    pages, places, path = [], [], f"/unmanaged?status=all&rows=10&order={order}"
    while path:
        page = boss.get(path).text
        pages.append(ids(page))
        places.append(place(page))
        path = link(page, "next")
        back = link(page, "prev")
    assert expected == [row for each in pages for row in each]
    assert ["1 to 10 of 24", "11 to 20 of 24", "21 to 24 of 24"] == places

    again: list[tuple[list[UUID], str]] = []
    while back:
        page = boss.get(back).text
        again.insert(0, (ids(page), place(page)))
        back = link(page, "prev")
    assert list(zip(pages, places, strict=True))[:-1] == again


@pytest.mark.parametrize(
    "query", ["", "order=newest&rows=10", "q=hello&status=all", "status=active", "number=106540352242922"]
)
def test_who_runs_out_within_four_hours_is_counted_above_the_list_and_one_click_away(
    console: Console, boss: Browser, query: str
) -> None:
    written = [console.office.customer_writes(phone=f"39{h}", hours_ago=h) for h in (23.9, 20.5, 19.9, 30)]
    page = boss.get(f"/unmanaged?{query}").text
    found = re.search(r'<p id="soon" class="soon"><a href="([^"]+)">2 run out within 4 hours</a>', page)
    assert found is not None
    assert written[:3] == ids(boss.get(unescape(found[1])).text)


def test_who_was_lost_within_a_day_is_counted_above_the_list_and_one_click_away(
    console: Console, boss: Browser
) -> None:
    """Not those whom the bot dismissed, nor those of the days before."""
    boss.get("/unmanaged")
    assert 'id="lost" class="soon over" hidden' in boss.get("/unmanaged").text
    for hours in (1, 23.9, 49):
        console.office.customer_writes(phone=f"39{hours}", hours_ago=hours)
    lost = [console.office.customer_writes(phone=f"39{hours}", hours_ago=hours) for hours in (24.1, 47)]
    hour = console.office.hours_ago(30)
    bot = FactMaker(customer=Party(wa_id="390"))
    console.office.process(bot.bot_starts(hour), bot.turn(hour + 0.01, "hi"), bot.bot_ends(hour + 0.02))
    for query in ("", "status=active&rows=10", f"number={NUMBER}", "reason=no_choice"):
        page = boss.get(f"/unmanaged?{query}").text
        found = re.search(
            r'<p id="lost" class="soon over"><a href="([^"]+)"[^>]*>2 lost in the last 24 hours</a>', page
        )
        assert found is not None, query
        assert lost == [id_ for id_ in ids(boss.get(unescape(found[1])).text) if id_ in lost]
    for query in ("reason=bot_closed", "number=other"):
        assert 'id="lost" class="soon over" hidden' in boss.get(f"/unmanaged?{query}").text


def test_filters_are_cleared_with_one_click(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    assert "Clear filters" not in boss.get("/unmanaged?rows=25").text
    page = boss.get("/unmanaged?rows=25&status=active&reason=no_choice&q=x&order=newest").text
    assert [] == ids(page)
    assert "/unmanaged?status=active&order=newest&rows=25" == link(page, "clear")
    assert [row] == ids(boss.get(link(page, "clear")).text)


def test_the_title_of_the_tab_counts_the_active_conversations(console: Console, boss: Browser) -> None:
    console.office.customer_writes("a", "391")
    console.office.customer_writes("b", "392", hours_ago=30)
    assert "<title>(1) Unmanaged conversations" in boss.get("/unmanaged").text


def test_the_list_can_be_filtered_and_its_address_has_the_filters(console: Console, boss: Browser) -> None:
    none = console.office.customer_writes("hello", "391")
    wrong = console.office.customer_writes("7", "392")
    closed = console.office.customer_writes("hello", "393", hours_ago=30)
    for query, expected in {
        "status=active": {none, wrong},
        "status=closed": {closed},
        "status=all": {none, wrong, closed},
        "reason=invalid_choice": {wrong},
        "number=106540352242922": {none, wrong},
        "status=all&number=106540352242922": {none, wrong, closed},
        "number=other": set(),
        "status=active&reason=no_choice": {none},
    }.items():
        page = boss.get(f"/unmanaged?{query}").text
        assert expected == set(ids(page)), query
        assert all(f"{part}" in link(page, "plus").replace("&amp;", "&") for part in query.split("&") if expected)


@pytest.mark.parametrize("hours_ago", [1, 30])
def test_words_names_and_numbers_are_found_also_by_their_beginning(
    console: Console, boss: Browser, hours_ago: int
) -> None:
    row = console.office.customer_writes("The green bicycle, please", "393005550101", hours_ago)
    console.office.customer_writes("something else", "447700900142", hours_ago)
    for typed, found in {
        "bicycle": True,
        "BICY": True,
        "green bicycle": True,
        "bicycle purple": False,
        "+39 300 555 01": True,
        "3005550101": True,
        "5550101": True,
        "0101": True,
        "101": False,
        "icycle": False,
    }.items():
        page = boss.http.get("/unmanaged", query_string={"q": typed, "status": "all"}).text
        assert (typed, [row] if found else []) == (typed, ids(page))


def test_a_search_counts_what_it_finds_and_leads_to_the_matches_of_the_other_status(
    console: Console, boss: Browser
) -> None:
    console.office.customer_writes("a green bicycle", "391")
    console.office.customer_writes("two bicycles", "392")
    closed = console.office.customer_writes("a red bicycle", "393", hours_ago=30)
    page = boss.get("/unmanaged?q=bicycle").text
    assert ("2 active · 1 closed", "1 to 2 of 2") == (counts(page), place(page))
    page = boss.get("/unmanaged?q=red").text
    assert ([], "0 active · 1 closed", True) == (ids(page), counts(page), "No active conversation matches." in page)
    found = re.search(r'<a href="([^"]+)">\s*Show the closed one\s*</a>', page)
    assert found is not None
    assert [closed] == ids(boss.get(unescape(found[1])).text)


def test_a_conversation_is_found_by_its_id_on_the_list_or_not(console: Console, boss: Browser) -> None:
    listed, queued = console.office.customer_writes("x", "391"), console.office.customer_writes("1", "392")
    assert [listed] == ids(boss.get(f"/unmanaged?q={listed}").text)
    page = boss.get(f"/unmanaged?q={queued}").text
    assert ([], True) == (ids(page), "This conversation is not on the list." in page)
    assert f'href="/unmanaged?open={queued}"' in page
    assert "No matches." in boss.get(f"/unmanaged?q={UUID(int=1)}").text


def test_the_keyboard_shortcuts_are_shown_on_every_list(console: Console, boss: Browser) -> None:
    console.office.customer_writes()
    for path in ("/unmanaged", "/waiting"):
        assert 'id="show-keys" role="button" href="/unmanaged/keys"' in boss.get(path).text
    sheet = boss.get("/unmanaged/keys", "dialog").text
    assert ["J", "K", "Enter", "X", "T", "S", "E", "Z", "/", "F", "Esc", "?"] == re.findall(
        r"<kbd>([^<]+)</kbd>", sheet
    )


def test_waiting_customers_are_counted_and_listed_and_can_be_recalled(console: Console, boss: Browser) -> None:
    waits = console.office.customer_writes("1")
    assert "1 waiting" in boss.get("/unmanaged").text
    page = boss.get("/waiting").text
    assert [waits] == ids(page)
    assert "Queued for Sales" in page
    answer = boss.send(page.split("<tbody")[1], "notices")
    assert 200 == answer.status_code
    assert [("applied", None)] == console.process_commands()
    assert [waits] == ids(boss.get("/unmanaged").text)
    assert [] == ids(boss.get("/waiting").text)


def test_a_page_of_a_hundred_rows_weighs_less_than_150_kilobytes_with_everything(
    console: Console, boss: Browser
) -> None:
    for n in range(100):
        console.office.customer_writes(f"message {n} " + "words " * 40, phone=f"3930055{n:05}")
    page = boss.get("/unmanaged?rows=100").text
    paths = ["/unmanaged?rows=100", *assets(page)]
    weights = [len(boss.get(path, **{"Accept-Encoding": "gzip"}).data) for path in paths]
    assert 100 == len(ids(page))
    assert {"/unmanaged?rows=100"} == set(paths) - set(assets(page))
    assert {"css", "js", "svg"} == {path.rpartition(".")[2] for path in assets(page)}
    assert sum(weights) < 150_000


def counts(page: str) -> str:
    """The counts above the list."""
    found = re.search(r'<p id="counts"[^>]*>([^<]+)</p>', page)
    assert found is not None
    return found[1]


def place(page: str) -> str:
    """Which rows the page shows, as it says."""
    found = re.search(r"\d+ to \d+( of \d+)?", page)
    return found[0] if found else ""


def link(page: str, what: str) -> str:
    """The address of the first link with this `rel` or class."""
    found = re.search(rf'<a[^>]*(?:rel|class)="[^"]*\b{what}\b[^"]*"[^>]*href="([^"]+)"', page)
    return found[1].replace("&amp;", "&") if found else ""
