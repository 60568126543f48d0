"""Live, and never wrong: what changes in the database is told to every page that shows it, as it stands in the page."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import psycopg
import pytest

from console.live.broadcast import Broadcaster
from console.live.watch import ListState, ListWatcher, WatchedList
from infra.postgres import mails
from infra.postgres.connections.pool import connect
from infra.postgres.console import sign_ins
from infra.postgres.console.change_hints import ChangeHints
from infra.postgres.console.sign_ins import SessionTerms
from tests.support.console import Browser, Console, OpenList, ids
from tests.support.waiting import wait_until


def test_every_change_of_a_conversation_a_mail_or_a_status_is_a_hint(console: Console, database: str) -> None:
    with ChangeHints(database) as hints:
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
        console.office.connection.execute(
            "insert into message_status (phone_number_id, wamid, recipient, rank) values ('1', 'w', '2', 1)"
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


async def until(stream: AsyncGenerator[bytes, None], text: str) -> bytes:
    """The first thing told that holds this text."""
    async with asyncio.timeout(10):
        while text.encode() not in (told := await anext(stream)):
            continue
        return told


def test_an_open_page_is_told_of_a_change_at_once_and_of_every_later_one(console: Console, boss: Browser) -> None:
    console.office.customer_writes("first", "391", hours_ago=2)
    page = OpenList(console, boss)

    async def story() -> None:
        stream = page.stream()
        await until(stream, "event: still")
        for text in ("second", "third"):
            await asyncio.to_thread(console.office.customer_writes, text, "391")
            assert b"event: changed" in await until(stream, text)
        await stream.aclose()

    with hearing(console):
        asyncio.run(story())
    assert 0 == console.parts.live.viewers


def test_after_the_connection_to_the_database_was_cut_pages_are_told_again(console: Console, boss: Browser) -> None:
    console.office.customer_writes("first", "391", hours_ago=2)
    page = OpenList(console, boss)

    async def story() -> None:
        stream = page.stream()
        await until(stream, "event: still")
        await asyncio.to_thread(wait_until, lambda: listens(console))
        console.office.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'witiop hints'"
        )
        await asyncio.to_thread(console.office.customer_writes, "meanwhile", "391")
        await until(stream, "meanwhile")
        await stream.aclose()

    with hearing(console):
        asyncio.run(story())


def listens(console: Console) -> bool:
    return bool(
        console.office.rows("select from pg_stat_activity where application_name = 'witiop hints' and query ~ 'listen'")
    )


def test_a_stopped_console_ends_every_stream(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)

    async def story() -> list[bytes]:
        stream = page.stream()
        first = await anext(stream)
        asyncio.get_running_loop().call_later(0.05, console.parts.live.end)
        return [first, *[part async for part in stream]]

    assert 1 == len(asyncio.run(asyncio.wait_for(story(), 5)))
    assert 0 == console.parts.live.viewers


def test_a_look_that_fails_leaves_no_page_behind() -> None:
    failing = iter([ValueError("a defect"), None, None])

    def look(shown: object) -> str:
        error = next(failing)
        if error is not None:
            raise error
        return "now"

    class Quiet:
        def wait(self, _: float) -> bool:
            return False

        def __enter__(self) -> "Quiet":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    live: Broadcaster[str, str] = Broadcaster(Quiet, look)
    thread = threading.Thread(target=live.run)

    async def story() -> bytes:
        stream = live.stream("a page", lambda shown, now: [f"{shown} {now}".encode()])
        assert b"event: still" in await anext(stream)
        thread.start()
        try:
            return await asyncio.wait_for(anext(stream), 10)
        finally:
            await stream.aclose()
            live.end()

    assert b"a page now" == asyncio.run(story())
    thread.join(5)


def test_new_conversations_are_announced_and_not_pushed_in(console: Console, boss: Browser) -> None:
    console.office.customer_writes(phone="391", hours_ago=3)
    page = OpenList(console, boss)
    console.office.customer_writes(phone="392", hours_ago=2)
    console.office.customer_writes(phone="393", hours_ago=1)
    looked = page.look()
    assert "2 conversations with new messages: show them" in looked
    assert [] == ids(looked)
    assert "3 active" in looked


def test_what_a_page_was_told_it_is_not_told_again(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)
    console.office.customer_writes()
    assert "1 conversation with new messages: show it" in page.look()
    assert "" == page.look()


def test_a_page_that_listens_anew_is_told_what_it_missed(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("first", "391", hours_ago=3)
    page = OpenList(console, boss)
    console.office.customer_writes("while it was away", "391", hours_ago=1)
    assert [row] == ids(page.look())
    page.listen()
    assert [row] == ids(page.look())


def test_what_does_not_match_the_filter_is_not_announced(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss, "/unmanaged?reason=invalid_choice")
    console.office.customer_writes("hello", "391")
    assert "new messages" not in page.look()
    console.office.customer_writes("7", "392")
    assert "1 conversation with new messages: show it" in page.look()


@pytest.mark.parametrize("query", ["q=bicycle", "status=closed"])
def test_what_others_write_does_not_say_that_a_narrowed_list_has_changed(
    console: Console, boss: Browser, query: str
) -> None:
    console.office.customer_writes("bicycle", "391", hours_ago=30)
    page = OpenList(console, boss, f"/unmanaged?{query}")
    console.office.customer_writes("something else", "392")
    looked = page.look()
    assert "The list has changed" not in looked
    assert "new messages" not in looked


def test_a_row_whose_customer_writes_again_changes_in_its_place(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("first", "391", hours_ago=3)
    page = OpenList(console, boss)
    assert [] == ids(page.look())
    console.office.customer_writes("second", "391", hours_ago=1)
    looked = page.look()
    assert [row] == ids(looked)
    assert "second" in looked
    assert "new messages" not in looked


def test_a_text_with_line_ends_of_every_kind_arrives_whole(console: Console, boss: Browser) -> None:
    console.office.customer_writes("first", "391", hours_ago=3)
    page = OpenList(console, boss)
    console.office.customer_writes("one\rtwo\r\nthree\nevent: four\n\nfive", "391", hours_ago=1)
    lines = page.look().splitlines()
    assert ["event: changed"] == [line for line in lines if not line.startswith("data: ") and line]
    assert "five" in "".join(lines)


def test_a_conversation_that_comes_back_to_the_list_further_down_is_told(console: Console, boss: Browser) -> None:
    waits = console.office.customer_writes("1", "391", hours_ago=3)
    console.office.customer_writes("hello", "392", hours_ago=1)
    page = OpenList(console, boss)
    console.office.results_of(console.office.command("recall", {"conversation_id": str(waits)}))
    assert "The list has changed" in page.look()


def test_the_list_of_those_who_wait_is_told_of_one_more_and_its_rows_lead_back_to_it(
    console: Console, boss: Browser
) -> None:
    first = console.office.customer_writes("1", "391", hours_ago=1)
    page = OpenList(console, boss, "/waiting?state=waiting")
    console.office.customer_writes("1", "392", hours_ago=2)
    console.office.customer_writes("and now?", "391")
    looked = page.look()
    assert "1 more conversation: show it" in looked
    assert [first] == ids(looked)
    assert f'href="/waiting?state=waiting&amp;open={first}"' in looked


def test_who_waits_on_the_next_page_is_not_announced_as_one_more(console: Console, boss: Browser) -> None:
    for n in range(12):
        console.office.customer_writes("1", f"39{n:03}", hours_ago=1 + n)
    page = OpenList(console, boss, "/waiting?rows=10")
    assert "more conversation" not in page.look()
    console.office.customer_writes("1", "39100", hours_ago=0.5)
    assert "1 more conversation: show it" in page.look()


def test_whoever_may_not_look_any_more_is_told_nothing(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)
    assert page.may_look()
    boss.post("/sign-out")
    assert not page.may_look()
    assert 401 == boss.get("/live/may", "listen").status_code


def test_who_is_no_administrator_any_more_is_told_nothing(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)
    console.office.connection.execute("update sign_ins set administrator = false")
    assert not page.may_look()


def test_listening_keeps_no_session_alive(console: Console, boss: Browser) -> None:
    terms = SessionTerms(idle=timedelta(minutes=5))
    page = OpenList(console, boss)
    console.office.connection.execute("update console_sessions set seen_at = now() - interval '10 minutes'")
    page.listen()
    assert set() == sign_ins.live_sessions(console.office.connection, {page.shown.session}, terms)


def test_the_open_conversation_is_told_of_what_becomes_of_its_messages_and_mails(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes("hello", "391")
    page = OpenList(console, boss)
    page.listen(open=str(row))
    assert "event: open" in page.look()
    assert "event: open" not in page.look()
    console.office.connection.execute(
        "insert into message_status (phone_number_id, wamid, recipient, rank, succeeded_at) "
        "select c.phone_number_id, e.wamid, '391', 1, now() "
        "from entries e join conversations c on c.id = e.conversation_id"
    )
    assert "event: open" in page.look()
    console.office.connection.execute("update message_status set rank = 3")
    assert "event: open" in page.look()
    console.office.results_of(
        console.office.command(
            "email", {"conversation_id": str(row), "to": ["a@example.com"], "subject": "s", "body": "b"}
        )
    )
    assert [row] == [mail.conversation_id for mail in mails.of_conversation(console.office.connection, row)]
    assert "event: open" in page.look()


class Counting(psycopg.Cursor[Any]):
    """Counts what is asked."""

    asked: ClassVar[int] = 0

    def execute(self, *args: Any, **kwargs: Any) -> "Counting":
        Counting.asked += 1
        return super().execute(*args, **kwargs)


def test_many_pages_cost_the_database_what_one_costs(console: Console, boss: Browser, database: str) -> None:
    for n in range(5):
        console.office.customer_writes(phone=f"39{n}")
    pages = [OpenList(console, boss) for _ in range(20)]
    with connect(database, "test", autocommit=True, generic_plans=True) as connection:
        connection.cursor_factory = Counting

        @contextmanager
        def counted() -> Iterator[psycopg.Connection[Any]]:
            yield connection

        def asked(shown: list[WatchedList]) -> tuple[int, ListState]:
            Counting.asked = 0
            now = ListWatcher(counted, SessionTerms()).look(shown)
            return Counting.asked, now

        one, _ = asked([pages[0].shown])
        all_, now = asked([page.shown for page in pages])
    assert one == all_
    assert 5 == len(now.rows)


def test_with_the_database_away_the_page_says_so_and_nothing_breaks(console: Console, boss: Browser) -> None:
    console.parts.pool.close()
    assert 503 == boss.get("/unmanaged").status_code
    assert "The database does not answer." in boss.get("/unmanaged").text
    assert 503 == boss.get("/live/may", "listen").status_code
    assert 503 == boss.get("/readyz").status_code


def test_a_lost_connection_of_the_pool_is_made_again(console: Console, boss: Browser) -> None:
    with psycopg.connect(console.office.connection.info.dsn, autocommit=True) as other:
        other.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'witiop test' "
            "and datname = current_database()"
        )
    assert 200 == boss.get("/unmanaged").status_code
