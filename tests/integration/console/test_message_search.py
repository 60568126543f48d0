"""The search of all messages, as the list shows it."""

import re

from domain.facts import Party
from tests.support.console import Browser, Console, OpenList, ids
from tests.support.stories import FactMaker


def test_a_row_shows_the_older_message_that_was_found_with_the_match_marked(console: Console, boss: Browser) -> None:
    maker = FactMaker(customer=Party(wa_id="393005550101"))
    long_ago = console.office.hours_ago(3)
    console.office.process(
        maker.turn(long_ago, "<b>Refunds</b> take long"), maker.turn(long_ago + 0.1, "Is anybody there?")
    )
    (row,) = console.office.rows("select id from conversations")
    console.read_words()
    page = boss.get("/unmanaged?q=refund").text
    assert [row["id"]] == ids(page)
    (shown,) = re.findall(r'<p class="found".*?</p>', page, re.DOTALL)
    assert "&lt;b&gt;<mark>Refunds</mark>&lt;/b&gt; take long" in shown
    assert "from us" not in shown
    assert "Is anybody there?" in page
    assert '<p class="found"' not in boss.get("/unmanaged").text  # the same row, rendered apart
    assert '<p class="found"' not in boss.get("/unmanaged?q=anybody").text
    assert '<p class="cut">' not in page


def test_the_page_says_which_messages_are_not_searched_yet(console: Console, boss: Browser) -> None:
    console.office.customer_writes("hello")
    so_far = "So far, only names, phones, ids and the last message of each conversation are searched."
    assert so_far in boss.get("/unmanaged?q=hello").text
    assert so_far not in boss.get("/unmanaged").text
    console.read_words()
    assert '<p class="cut">' not in boss.get("/unmanaged?q=hello").text
    console.office.connection.execute("update words_progress set searched_until = now() - interval '5 min'")
    assert re.search(r"Messages up to \w+ \d\d:\d\d are searched", boss.get("/unmanaged?q=hello").text)
    console.office.connection.execute("update words_progress set walked_at = null")
    page = boss.get("/unmanaged?q=hello").text
    assert re.search(r"Conversations that began before \w+ \d\d:\d\d are searched by name", page)


def test_a_row_that_changes_while_the_list_is_open_keeps_the_message_that_was_found(
    console: Console, boss: Browser
) -> None:
    maker, hour = console.office.maker, console.office.hours_ago(3)
    console.office.process(maker.turn(hour, "Refunds take long"), maker.turn(hour + 0.1, "Is anybody there?"))
    console.read_words()
    searched, plain = OpenList(console, boss, "/unmanaged?q=refund"), OpenList(console, boss)
    searched.look(), plain.look()
    console.office.process(maker.turn(hour + 0.2, "Hello?"))
    changed = searched.look()
    assert "Hello?" in changed
    assert "<mark>Refunds</mark> take long" in changed
    assert '<p class="found"' not in plain.look()
