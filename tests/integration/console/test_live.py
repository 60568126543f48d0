"""Live updates: every open page receives the changes of what it shows."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Any, ClassVar
from uuid import uuid4

import psycopg
import pytest

from console.levels import ADMITTED
from console.live.broadcast import MAX_VIEWERS_OF_ONE, REFRESH_SECONDS, Broadcaster
from console.live.watch import ListState, ListWatcher
from console.live.watched_list import WatchedList
from infra.postgres import mails
from infra.postgres.connections.hints import ChangeHints
from infra.postgres.connections.pool import connect
from infra.postgres.console import sign_ins
from infra.postgres.console.sign_ins import SessionTerms
from tests.support.console import Browser, Console, OpenList, ids
from tests.support.waiting import wait_until


def test_every_change_of_a_conversation_a_mail_or_a_status_and_every_command_is_a_hint(
    console: Console, database: str
) -> None:
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
        while hints.wait(0.05):
            continue
        console.office.results_of(console.office.command("recall", {"conversation_id": str(uuid4())}))
        assert "rejected" == console.office.rows("select outcome from command_audit")[0]["outcome"]
        assert hints.wait(5)


@contextmanager
def broadcasting(console: Console) -> Iterator[None]:
    thread = threading.Thread(target=console.deps.live.run)
    thread.start()
    try:
        yield
    finally:
        console.deps.live.end()
        thread.join(5)


async def until(stream: AsyncGenerator[bytes, None], text: str) -> bytes:
    """The first event that contains this text."""
    async with asyncio.timeout(10):
        while text.encode() not in (received := await anext(stream)):
            continue
        return received


def test_an_open_page_receives_every_change_immediately(console: Console, boss: Browser) -> None:
    console.office.customer_writes("first", "391", hours_ago=2)
    page = OpenList(console, boss)

    async def story() -> None:
        stream = page.stream()
        await until(stream, "event: still")
        for text in ("second", "third"):
            await asyncio.to_thread(console.office.customer_writes, text, "391")
            assert b"event: changed" in await until(stream, text)
        await stream.aclose()

    with broadcasting(console):
        asyncio.run(story())
    assert 0 == console.deps.live.viewers


def test_pages_receive_changes_again_after_the_database_connection_was_cut(console: Console, boss: Browser) -> None:
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

    with broadcasting(console):
        asyncio.run(story())


def listens(console: Console) -> bool:
    return bool(
        console.office.rows("select from pg_stat_activity where application_name = 'witiop hints' and query ~ 'listen'")
    )


def test_the_pages_of_one_session_shut_nobody_else_out(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)

    async def story() -> tuple[list[int], int]:
        streams = [page.stream() for _ in range(MAX_VIEWERS_OF_ONE)]
        for stream in streams:
            await anext(stream)
        other = await asyncio.to_thread(console.signed_in)
        answers = [each.get("/live", Accept="text/event-stream").status_code for each in (boss, other)]
        for stream in streams:
            await stream.aclose()
        return answers, boss.get("/live", Accept="text/event-stream").status_code

    assert ([503, 200], 200) == asyncio.run(story())


def test_a_stopped_console_ends_every_stream(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)

    async def story() -> list[bytes]:
        stream = page.stream()
        first = await anext(stream)
        asyncio.get_running_loop().call_later(0.05, console.deps.live.end)
        return [first, *[part async for part in stream]]

    assert 1 == len(asyncio.run(asyncio.wait_for(story(), 5)))
    assert 0 == console.deps.live.viewers


def test_pages_receive_changes_again_after_a_look_failed() -> None:
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
        stream = live.stream("a session", "a page", lambda shown, now: [f"{shown} {now}".encode()])
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
    events = page.look()
    assert "2 conversations with new messages: show them" in events
    assert [] == ids(events)
    assert "3 active" in events


def test_an_announcement_is_sent_once(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)
    console.office.customer_writes()
    assert "1 conversation with new messages: show it" in page.look()
    assert "" == page.look()


def test_a_page_that_reconnects_receives_what_it_missed(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("first", "391", hours_ago=3)
    page = OpenList(console, boss)
    console.office.customer_writes("while it was away", "391", hours_ago=1)
    assert [row] == ids(page.look())
    page.listen()
    assert [row] == ids(page.look())


def test_conversations_outside_of_the_filter_are_not_announced(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss, "/unmanaged?reason=invalid_choice")
    console.office.customer_writes("hello", "391")
    assert "new messages" not in page.look()
    console.office.customer_writes("7", "392")
    assert "1 conversation with new messages: show it" in page.look()


def results_in(events: str) -> dict[str, int]:
    """The numbers of results that a page received, by command or batch."""
    found = re.findall(r"^event: results\ndata: (.*)$", events, re.MULTILINE)
    assert len(found) <= 1
    return dict(json.loads(found[0])) if found else {}


def requested(console: Console, boss: Browser, to: str, mode: str) -> str:
    """The id of a transfer of a new conversation that was requested from its dialog."""
    row = console.office.customer_writes(phone=f"39{console.office.next_offset()}")
    notice = boss.submit(f"/conversations/{row}/transfer/user", "dialog", to=to, mode=mode).text
    found = re.search(r'data-request="([^"]+)" data-answered="0"', notice)
    assert found is not None
    return found[1]


def test_results_reach_the_page_on_its_stream_also_rejections(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)
    commands = [requested(console, boss, "anna", mode) for mode in ("exclusive", "immediate")]
    assert {} == results_in(page.look())
    assert ["applied", "rejected"] == [outcome for outcome, _ in console.process_commands()]
    assert dict.fromkeys(commands, 1) == results_in(page.look())
    assert {} == results_in(page.look())
    for command, words in zip(commands, ("Reserved for anna.", "is not ready"), strict=True):
        assert words in boss.get(f"/commands/{command}", "notices").text


def test_a_rejection_is_sent_immediately_and_not_at_the_next_refresh(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)

    async def story() -> float:
        stream = page.stream()
        await until(stream, "event: still")
        await asyncio.to_thread(wait_until, lambda: listens(console))
        command = await asyncio.to_thread(requested, console, boss, "anna", "immediate")
        await until(stream, "event: changed")  # the conversation is new on the list
        began = monotonic()
        assert [("rejected", "user_not_ready")] == await asyncio.to_thread(console.process_commands)
        assert command.encode() in await until(stream, "event: results")
        await stream.aclose()
        return monotonic() - began

    with broadcasting(console):
        assert asyncio.run(story()) < REFRESH_SECONDS / 2


def test_a_page_that_reconnects_receives_the_results_that_it_missed(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)
    command = requested(console, boss, "anna", "exclusive")
    console.process_commands()
    page.listen()
    assert {command: 1} == results_in(page.look())


def test_the_results_of_a_batch_are_one_number_for_the_person_who_requested_it(console: Console, boss: Browser) -> None:
    console.person("chief")
    pages = [OpenList(console, browser) for browser in (boss, console.signed_in("chief"))]
    rows = [console.office.customer_writes(phone=f"39{n}") for n in range(3)]
    form = boss.post("/bulk", "dialog", do="user", pick=[str(row) for row in rows]).text
    answer = boss.send(form, "dialog", to="anna", mode="exclusive").text
    first, *others = console.publisher.records
    batch = re.findall(r'data-request="([^"]+)" data-answered="0"', answer)
    found = []
    for records in ([first], others):
        console.publisher.records = records
        console.process_commands()
        found.append([results_in(page.look()) for page in pages])
    assert [[{batch[0]: 1}, {}], [{batch[0]: 3}, {}]] == found


@pytest.mark.parametrize("query", ["q=bicycle", "status=closed"])
def test_other_conversations_do_not_mark_a_filtered_list_as_changed(
    console: Console, boss: Browser, query: str
) -> None:
    console.office.customer_writes("bicycle", "391", hours_ago=30)
    page = OpenList(console, boss, f"/unmanaged?{query}")
    console.office.customer_writes("something else", "392")
    events = page.look()
    assert "The list has changed" not in events
    assert "new messages" not in events


def test_a_row_whose_customer_writes_again_changes_in_place(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("first", "391", hours_ago=3)
    page = OpenList(console, boss)
    assert [] == ids(page.look())
    console.office.customer_writes("second", "391", hours_ago=1)
    events = page.look()
    assert [row] == ids(events)
    assert "second" in events
    assert "new messages" not in events


def test_a_text_with_every_kind_of_line_end_arrives_complete(console: Console, boss: Browser) -> None:
    console.office.customer_writes("first", "391", hours_ago=3)
    page = OpenList(console, boss)
    console.office.customer_writes("one\rtwo\r\nthree\nevent: four\n\nfive", "391", hours_ago=1)
    lines = page.look().splitlines()
    assert ["event: changed"] == [line for line in lines if not line.startswith("data: ") and line]
    assert "five" in "".join(lines)


def test_a_conversation_that_returns_further_down_marks_the_list_as_changed(console: Console, boss: Browser) -> None:
    waits = console.office.customer_writes("1", "391", hours_ago=3)
    console.office.customer_writes("hello", "392", hours_ago=1)
    page = OpenList(console, boss)
    console.office.results_of(console.office.command("recall", {"conversation_id": str(waits)}))
    assert "The list has changed" in page.look()


def test_the_waiting_list_announces_new_rows_and_its_rows_link_to_it(console: Console, boss: Browser) -> None:
    first = console.office.customer_writes("1", "391", hours_ago=1)
    page = OpenList(console, boss, "/waiting?state=waiting")
    console.office.customer_writes("1", "392", hours_ago=2)
    console.office.customer_writes("and now?", "391")
    events = page.look()
    assert "1 more conversation: show it" in events
    assert [first] == ids(events)
    assert f'href="/waiting?state=waiting&amp;open={first}"' in events


def test_rows_of_the_next_page_of_the_waiting_list_are_not_announced(console: Console, boss: Browser) -> None:
    for n in range(12):
        console.office.customer_writes("1", f"39{n:03}", hours_ago=1 + n)
    page = OpenList(console, boss, "/waiting?rows=10")
    assert "more conversation" not in page.look()
    console.office.customer_writes("1", "39100", hours_ago=0.5)
    assert "more conversation" not in page.look()
    console.office.customer_writes("1", "39101", hours_ago=11.5)
    assert "1 more conversation: show it" in page.look()


def test_the_stream_ends_after_the_sign_out(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)
    assert page.may_look()
    boss.post("/sign-out")
    assert not page.may_look()
    assert 401 == boss.get("/live/may", "listen").status_code


def test_the_stream_ends_for_a_person_who_is_not_an_administrator_any_more(console: Console, boss: Browser) -> None:
    page = OpenList(console, boss)
    console.office.connection.execute("update sign_ins set level = null")
    assert not page.may_look()


def test_a_stream_does_not_extend_the_session(console: Console, boss: Browser) -> None:
    terms = SessionTerms(idle=timedelta(minutes=5))
    page = OpenList(console, boss)
    console.office.connection.execute("update console_sessions set seen_at = now() - interval '10 minutes'")
    page.listen()
    levels = ADMITTED["lists"]
    assert {} == sign_ins.live_people(console.office.connection, {page.shown.session}, terms, levels)


def test_the_open_conversation_is_updated_with_the_state_of_its_messages_and_mails(
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
    """Counts the executed statements."""

    executed: ClassVar[int] = 0

    def execute(self, *args: Any, **kwargs: Any) -> "Counting":
        Counting.executed += 1
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

        def statements(shown: list[WatchedList]) -> tuple[int, ListState]:
            Counting.executed = 0
            now = ListWatcher(counted, SessionTerms()).look(shown)
            return Counting.executed, now

        one, _ = statements([pages[0].shown])
        all_, now = statements([page.shown for page in pages])
    assert one == all_
    assert 5 == len(now.rows)


def test_without_the_database_pages_say_so(console: Console, boss: Browser) -> None:
    console.deps.pool.close()
    assert 503 == boss.get("/unmanaged").status_code
    assert "The database is not responding." in boss.get("/unmanaged").text
    assert 503 == boss.get("/live/may", "listen").status_code
    assert 503 == boss.get("/readyz").status_code


def test_a_lost_connection_of_the_pool_is_replaced(console: Console, boss: Browser) -> None:
    with psycopg.connect(console.office.connection.info.dsn, autocommit=True) as other:
        other.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'witiop test' "
            "and datname = current_database()"
        )
    assert 200 == boss.get("/unmanaged").status_code
