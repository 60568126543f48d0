"""The console's list on a real database: order, pages, search, and the indexes that make them fast."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from domain.search import asked, searched
from infra.postgres.connections.pool import connect
from infra.postgres.lists import console as console_list
from infra.postgres.lists import unmanaged
from infra.postgres.lists.console import ConsolePage, PageCursor, page
from infra.postgres.lists.cursor import START, CursorError
from infra.postgres.lists.unmanaged import ListedConversation, Order, UnmanagedFilter
from infra.postgres.words import searching
from tests.support.conversation_rows import NOON, conversation_row, insert_conversations
from tests.support.databases import Databases

ROWS = 40


@pytest.fixture(scope="module")
def conn(databases: Databases) -> Iterator[Connection[Any]]:
    """Forty rows, some with the same time: every third is closed, every fifth has another reason, every seventh another
    number, and every ninth is not unmanaged."""
    dsn = databases.create()
    with psycopg.connect(dsn, autocommit=True) as conn:
        for n in range(ROWS):
            insert_conversations(
                conn,
                conversation_row(
                    n + 1,
                    status="c" if n % 3 == 0 else "a",
                    reason=6 if n % 5 == 0 else 7,
                    phone_number_id="2" if n % 7 == 0 else "1",
                    unmanaged=n % 9 != 0,
                    last_at=NOON - timedelta(minutes=n // 2),
                    last_text=f"message number {n} of {'green' if n % 2 else 'red'} bicycles",
                    customer_name=f"Customer {n}",
                    wa_id=f"3930055501{n:02}",
                ),
            )
        yield conn
    databases.drop(dsn)


def every_page(conn: Connection[Any], which: UnmanagedFilter, rows: int) -> list[ConsolePage]:
    pages = [page(conn, which, rows)]
    while pages[-1].after:
        pages.append(page(conn, which, rows, after=pages[-1].after))
    return pages


def test_all_pages_of_a_list_are_of_one_snapshot(conn: Connection[Any]) -> None:
    which = UnmanagedFilter(order="urgent")
    expected = [row.id for each in every_page(conn, which, 5) for row in each.rows]
    with psycopg.connect(conn.info.dsn, autocommit=True) as other:
        all_pages = console_list.pages(other, which, 5)
        first = next(all_pages)
        conn.execute("update conversations set unmanaged = not unmanaged")
        try:
            rest = [row.id for each in all_pages for row in each.rows]
        finally:
            conn.execute("update conversations set unmanaged = not unmanaged")
    assert expected == [*(row.id for row in first.rows), *rest]


which = st.builds(
    UnmanagedFilter,
    status=st.sampled_from([None, "active", "closed"]),
    number=st.sampled_from([None, "1", "2", "3"]),
    words=st.sampled_from([(), ("green",), ("bicy", "red"), ("message", "1"), ("3930055501",), ("nothing",)]),
    order=st.sampled_from(["newest", "urgent"]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=which, rows=st.integers(1, 15))
def test_the_pages_are_the_whole_list_in_order_and_the_same_when_paging_backwards(
    conn: Connection[Any], which: UnmanagedFilter, rows: int
) -> None:
    pages = every_page(conn, which, rows)
    found = [row for each in pages for row in each.rows]
    expected = sorted(found, key=lambda row: (row.last_at, row.id.int), reverse=True)
    if which.order == "urgent":
        active = [row for row in reversed(expected) if row.status == "active"]
        expected = [*active, *(row for row in expected if row.status == "closed")]
    assert [row.id for row in expected] == [row.id for row in found]
    assert {row.id for row in found} == {
        row.id
        for row in console_list.by_ids(conn, [UUID(int=n + 1) for n in range(ROWS)]).values()
        if row.reason is not None
        and row.id.int % 9 != 1
        and which.status in (None, row.status)
        and which.number in (None, row.phone_number_id)
        and (not which.words or is_found(row, " ".join(which.words)))
    }
    backwards, cursor = [pages[-1]], pages[-1].before
    while cursor:
        backwards.insert(0, page(conn, which, rows, before=cursor))
        cursor = backwards[0].before
    assert [[row.id for row in each.rows] for each in pages[:-1]] == [
        [row.id for row in each.rows] for each in backwards[:-1]
    ]


def is_found(row: ListedConversation, typed: str) -> bool:
    words = searched([row.customer_name, row.last_text], [row.wa_id], []).split(" ")
    return any(all(any(word.startswith(each) for word in words) for each in wanted) for wanted in asked(typed))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=which.filter(lambda each: bool(each.words)), rows=st.integers(1, 50))
def test_a_search_counts_what_its_pages_show_of_each_status(
    conn: Connection[Any], which: UnmanagedFilter, rows: int
) -> None:
    found = [row for each in every_page(conn, replace(which, status=None), 20) for row in each.rows]
    expected = {status: sum(row.status == status for row in found) for status in ("active", "closed")}
    assert expected == console_list.found_counts(conn, which, page(conn, which, rows))


def test_a_search_counts_a_hundred_and_then_more_than_that(conn: Connection[Any]) -> None:
    with conn.transaction(force_rollback=True):
        added = [conversation_row(1000 + n, last_text="a hundred and more", last_at=NOON) for n in range(102)]
        insert_conversations(conn, *added)
        for words, n in ((("hundred",), console_list.MANY_FOUND + 1), (("customer",), 26)):
            which = UnmanagedFilter(words=words)
            counts = console_list.found_counts(conn, which, ConsolePage(after=PageCursor(0, START)))
            assert n == counts["active"]


@pytest.mark.parametrize("order", ["newest", "urgent"])
@pytest.mark.parametrize("number", [None, "1"])
def test_the_list_is_read_from_an_index_in_order(conn: Connection[Any], order: Order, number: str | None) -> None:
    statement = unmanaged.ordered(("active",), None, "one" if number else "all", down=order == "newest")
    with conn.transaction():
        conn.execute("set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off")
        conn.execute("set local enable_bitmapscan = off")
        values = {"number": number, "numbers": None, "at": START.at, "id": START.id, "limit": 11}
        plan = "\n".join(row[0] for row in conn.execute(b"explain " + statement.as_bytes(conn), values))
    index = "conversations_list_number" if number else "conversations_list_reason"
    assert index in plan
    assert ("Backward" in plan) is (order == "urgent")
    assert "Seq Scan" not in plan


def test_rare_words_of_closed_conversations_are_found_with_the_index(conn: Connection[Any]) -> None:
    statement = searching.indexed(of_reason=False, of_numbers="all", down=True)
    with conn.transaction(force_rollback=True):  # for forty rows other plans are faster
        conn.execute("drop index conversations_list_reason, conversations_list_number")
        conn.execute("set local enable_seqscan = off; set local enable_indexscan = off")
        values = {"query": "'green':*", "at": START.at, "id": START.id, "limit": 11, "number": None, "reason": None}
        plan = "\n".join(row[0] for row in conn.execute(b"explain " + statement.as_bytes(conn), values))
    assert "conversations_words" in plan


@pytest.mark.parametrize("text", ["", "2", "x", "0x", "1" + "A" * 31, "0" + "é" * 32])
def test_a_text_that_is_not_a_cursor_of_a_page_is_refused(text: str) -> None:
    with pytest.raises(CursorError):
        PageCursor.parse(text)


def test_a_search_that_takes_too_long_reports_an_incomplete_result(database: str) -> None:
    with connect(database, "test", autocommit=True) as conn, psycopg.connect(database) as other:
        other.execute("lock table conversations")
        found = page(conn, UnmanagedFilter(words=("bicycle",)), 10)
    assert (True, 0) == (found.cut, len(found.rows))
