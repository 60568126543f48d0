"""Live, and never wrong: a change becomes a hint, and a page that looks again shows what is so now."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from infra.postgres.hints import Hints
from tests.support.console import Browser, Console, ids
from tests.support.waiting import wait_until


class Page:
    """A list that is open in a browser."""

    def __init__(self, browser: Browser, path: str = "/unmanaged") -> None:
        self._browser = browser
        self._query = path.partition("?")[2]
        page = browser.get(path).text
        self._told = {name: re.findall(rf'data-{name}="([^"]*)"', page) for name in ("seen", "newest", "total")}

    def look(self) -> str:
        query = {
            "seen": ",".join(self._told["seen"]),
            "newest": self._told["newest"][0],
            "total": self._told["total"][0],
        }
        query |= dict(part.split("=") for part in self._query.split("&") if part)
        headers = {"HX-Request": "true", "HX-Target": "look", "X-Live": "1"}
        return self._browser.http.get("/unmanaged/changes", query_string=query, headers=headers).text


def test_every_change_of_a_conversation_or_a_mail_is_a_hint(console: Console, database: str) -> None:
    with Hints(database) as hints:
        assert not hints.wait(0.05)
        console.office.customer_writes()
        assert hints.wait(5)
        while hints.wait(0.05):
            continue
        console.office.connection.execute(
            "insert into mails (id, command_id, conversation_id, issuer, recipients, subject, body, masked, "
            "requested_at, held_until, due_at, state) select gen_random_uuid(), 'c', id, 'boss', '{}', '', '', false, "
            "now(), now(), now(), 'requested' from conversations"
        )
        assert hints.wait(5)


@contextmanager
def hearing(console: Console) -> Iterator[None]:
    thread = threading.Thread(target=console.parts.live.run)
    thread.start()
    try:
        yield
    finally:
        console.parts.live.end()
        thread.join(5)


def test_an_open_page_hears_of_a_change_at_once_and_of_every_later_one(console: Console) -> None:
    async def story() -> None:
        stream = console.parts.live.stream()
        assert b"event: changed" in await anext(stream)
        await asyncio.to_thread(wait_until, lambda: listens(console))
        for n in range(3):
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            await asyncio.to_thread(console.office.customer_writes, phone=f"39{n}")
            assert b"event: changed" in await asyncio.wait_for(waiting, 5)

    with hearing(console):
        asyncio.run(story())


def test_after_the_connection_to_the_database_was_cut_pages_hear_again(console: Console) -> None:
    async def story() -> None:
        stream = console.parts.live.stream()
        await anext(stream)
        await asyncio.to_thread(wait_until, lambda: listens(console))
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        console.office.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'witiop hints'"
        )
        await asyncio.wait_for(waiting, 10)  # told when it listens again: something may have been missed

    with hearing(console):
        asyncio.run(story())


def listens(console: Console) -> bool:
    return bool(
        console.office.rows("select from pg_stat_activity where application_name = 'witiop hints' and query ~ 'listen'")
    )


def test_a_stopped_console_ends_every_stream(console: Console) -> None:
    async def story() -> list[bytes]:
        stream = console.parts.live.stream()
        first = await anext(stream)
        asyncio.get_running_loop().call_later(0.05, console.parts.live.end)
        return [first, *[part async for part in stream]]

    assert 1 == len(asyncio.run(asyncio.wait_for(story(), 5)))
    assert 0 == console.parts.live.viewers


def test_new_conversations_are_announced_and_not_pushed_in(console: Console, boss: Browser) -> None:
    console.office.customer_writes(phone="391", hours_ago=3)
    page = Page(boss)
    console.office.customer_writes(phone="392", hours_ago=2)
    console.office.customer_writes(phone="393", hours_ago=1)
    looked = page.look()
    assert "2 new conversations: show them" in looked
    assert [] == ids(looked)
    assert "3 active" in looked


def test_the_first_conversation_of_an_empty_list_is_announced(console: Console, boss: Browser) -> None:
    page = Page(boss)
    console.office.customer_writes()
    assert "1 new conversation: show it" in page.look()


def test_what_does_not_match_the_filter_is_not_announced(console: Console, boss: Browser) -> None:
    page = Page(boss, "/unmanaged?reason=invalid_choice")
    console.office.customer_writes("hello", "391")
    assert "new conversation" not in page.look()
    console.office.customer_writes("7", "392")
    assert "1 new conversation: show it" in page.look()


def test_a_row_whose_customer_writes_again_changes_in_its_place(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("first", "391", hours_ago=3)
    page = Page(boss)
    assert [] == ids(page.look())
    console.office.customer_writes("second", "391", hours_ago=1)
    looked = page.look()
    assert [row] == ids(looked)
    assert "second" in looked
    assert "new conversation" not in looked


def test_a_conversation_that_comes_back_to_the_list_further_down_is_told(console: Console, boss: Browser) -> None:
    waits = console.office.customer_writes("1", "391", hours_ago=3)
    console.office.customer_writes("hello", "392", hours_ago=1)
    page = Page(boss)
    console.office.told(console.office.command("recall", {"conversation_id": str(waits)}))
    assert "The list has changed" in page.look()


def test_with_the_database_away_the_page_says_so_and_nothing_breaks(console: Console, boss: Browser) -> None:
    page = Page(boss)
    console.parts.pool.close()
    assert 503 == boss.get("/unmanaged").status_code
    assert "The database does not answer." in boss.get("/unmanaged").text
    assert "The database does not answer." in page.look()
    assert 503 == boss.get("/readyz").status_code


def test_a_lost_connection_of_the_pool_is_made_again(console: Console, boss: Browser) -> None:
    with psycopg.connect(console.office.connection.info.dsn, autocommit=True) as other:
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'witiop test' "
            "and datname = current_database()"
        )
    assert 200 == boss.get("/unmanaged").status_code
