"""Finding words in an open conversation, and opening it at a message."""

import re
from uuid import UUID

from tests.support.console import Browser, Console, ids


def long_one(console: Console, boss: Browser, **words: str) -> UUID:
    """A conversation of 350 messages; `words`: the texts of some of them, by number (`n7`)."""
    maker, ago = console.office.maker, console.office.hours_ago
    console.office.process(*(maker.turn(ago(3 - n / 1000), words.get(f"n{n}", f"This is {n}")) for n in range(350)))
    (row,) = ids(boss.get("/unmanaged?status=all").text)
    return row


def places(page: str) -> list[str]:
    found = re.search(r'data-messages="([^"]*)"', page)
    return found[1].split() if found else []


def shown(page: str) -> list[str]:
    return re.findall(r'<p dir="auto">(.*?)</p>', page)


def test_all_messages_of_a_conversation_are_searched_also_those_that_the_page_does_not_show(
    console: Console, boss: Browser
) -> None:
    row = long_one(console, boss, n7="The brákes squeak", n200="Which brakes?", n349="New brakes, please")
    page = boss.get(f"/conversations/{row}/find?q=brakes", "found").text
    assert 3 == len(places(page))
    assert "{n} of 3" in page
    assert places(page) == sorted(places(page), key=lambda place: int(place.split("-")[0]))
    assert 1 == len(places(boss.get(f"/conversations/{row}/find?q=squeak+brakes", "found").text))
    assert "not found" in boss.get(f"/conversations/{row}/find?q=bell", "found").text
    assert [] == places(boss.get(f"/conversations/{row}/find?q=+", "found").text)


def test_where_no_message_has_all_words_those_that_have_some_are_found(console: Console, boss: Browser) -> None:
    row = long_one(console, boss, n7="The brakes squeak", n200="It is blue")
    assert 2 == len(places(boss.get(f"/conversations/{row}/find?q=blue+brakes", "found").text))


def test_what_lies_around_a_match_is_loaded_into_its_gap(console: Console, boss: Browser) -> None:
    row = long_one(console, boss, n100="The brakes squeak")
    page = boss.get(f"/unmanaged?open={row}", "panel").text
    (place,) = places(boss.get(f"/conversations/{row}/find?q=brakes", "found").text)
    (before,) = re.findall(r'data-before="([^"]+)"', page)
    part = boss.get(f"/conversations/{row}/earlier?before={before}&around={place}", "body").text
    assert [f"This is {n}" for n in range(50, 100)] == shown(part)[:50]
    assert "The brakes squeak" == shown(part)[50]
    assert [f"This is {n}" for n in range(101, 150)] == shown(part)[51:]
    assert ["50", "100"] == re.findall(r"Show earlier entries \((\d+)\)", part)
    ends = re.findall(r'data-after="([^"]*)" data-before="([^"]*)"', part)
    assert ("", before) == (ends[0][0], ends[1][1])
    rest = boss.get(f"/conversations/{row}/earlier?before={ends[1][1]}&after={ends[1][0]}", "body").text
    assert [f"This is {n}" for n in range(150, 250)] == shown(rest)


def test_a_conversation_opens_at_a_message_with_what_lies_around_it(console: Console, boss: Browser) -> None:
    row = long_one(console, boss, n100="The brakes squeak")
    (place,) = places(boss.get(f"/conversations/{row}/find?q=brakes", "found").text)
    message = UUID(place.rpartition("-")[2])
    page = boss.get(f"/unmanaged?open={row}&message={message}&q=brakes", "panel").text
    assert f'data-at="{message}"' in page
    assert f'data-message="{message}"' in page
    assert 200 == len(shown(page))
    assert re.search(r'id="find-text" name="q" value="brakes"', page)
    assert "&amp;message=" not in page  # no other address opens it there again
    newest = boss.get(f"/unmanaged?open={row}", "panel").text
    assert 100 == len(shown(newest))
    assert "data-at" not in newest
    other = console.office.customer_writes(phone="391")
    assert "data-at" not in boss.get(f"/unmanaged?open={other}&message={message}", "panel").text


def test_what_a_search_of_the_list_found_leads_to_that_message(console: Console, boss: Browser) -> None:
    row = long_one(console, boss, n200="The brakes squeak")
    console.read_words()
    (found,) = re.findall(r'<p class="found".*?</p>', boss.get("/unmanaged?q=brakes").text, re.DOTALL)
    link = re.search(r'hx-get="([^"]+)"', found)
    assert link is not None
    page = boss.get(link[1].replace("&amp;", "&"), "panel").text
    assert f'data-open="{row}"' in page
    assert "The brakes squeak" in shown(page)


def test_without_script_the_messages_are_listed_with_links_to_them(console: Console, boss: Browser) -> None:
    row = long_one(console, boss, n7="<b>brakes</b> squeak", n8="Brakes!")
    page = boss.get(f"/conversations/{row}/find?q=brakes").text
    items = re.findall(r'<li><a href="([^"]+)">.*?<p dir="auto">(.*?)</p>', page, re.DOTALL)
    assert ["<mark>Brakes</mark>!", "&lt;b&gt;<mark>brakes</mark>&lt;/b&gt; squeak"] == [text for _, text in items]
    assert "Brakes!" in shown(boss.get(items[0][0].replace("&amp;", "&")).text)
    assert "<li>" not in boss.get(f"/conversations/{row}/find").text.partition('id="main"')[2]


def test_what_the_customer_deleted_is_not_found_and_an_edited_message_as_it_is_now(
    console: Console, boss: Browser
) -> None:
    maker, hour = console.office.maker, console.office.hours_ago(1)
    gone, changed = maker.turn(hour, "My secret"), maker.turn(hour + 1, "A swordfish")
    console.office.process(gone, changed)
    console.office.process(maker.deletes(hour + 2, gone), maker.edits(hour + 3, changed, "A trout"))
    (row,) = ids(boss.get("/unmanaged?status=all").text)
    found = {
        word: len(places(boss.get(f"/conversations/{row}/find?q={word}", "found").text))
        for word in ("secret", "swordfish", "trout")
    }
    assert {"secret": 0, "swordfish": 0, "trout": 1} == found
