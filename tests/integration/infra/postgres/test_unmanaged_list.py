"""The list of unmanaged conversations, on a real database: pages, counts and plans."""

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH
from psycopg.sql import SQL

from domain.contract.row import row_document
from domain.conversations.reasons import Reason
from infra.postgres.lists.cursor import START, Cursor
from infra.postgres.lists.unmanaged import ListedStatus, UnmanagedFilter, UnmanagedPage, page, statement
from tests.support.conversation_rows import NOON, conversation_row, insert_conversations
from tests.support.databases import Databases

NUMBERS = ("106540352242922", "2", "3")
ROWS = 3000

STATUSES: tuple[ListedStatus | None, ...] = (None, "active", "closed")
FILTERS = [UnmanagedFilter(*each) for each in product(STATUSES, (None, *Reason), (None, "2"))]
DISMISSED = [UnmanagedFilter("dismissed", number=number) for number in (None, "2")]


def many() -> list[dict[str, object]]:
    """Returns rows of every number, status and reason, many with the same time, and some that are not unmanaged."""
    generator = random.Random(20260701)
    return [
        conversation_row(
            generator.getrandbits(128),
            phone_number_id=generator.choices(NUMBERS, (80, 15, 5))[0],
            status=generator.choice("ac"),
            reason=generator.choice(list(Reason)).code if listed else None,
            unmanaged=listed,
            managed=not listed,
            dismissed_as=None if listed else generator.choice([None, *"nsd"]),
            last_at=NOON - timedelta(microseconds=generator.randrange(ROWS // 4)),
        )
        for listed in (generator.random() < 0.9 for _ in range(ROWS))
    ]


@pytest.fixture(scope="module")
def conversations() -> list[dict[str, object]]:
    return many()


@pytest.fixture(scope="module")
def full(databases: Databases, conversations: list[dict[str, object]]) -> Iterator[Connection[Any]]:
    """A database with all of these conversations; tests do not change it."""
    dsn = databases.create()
    with psycopg.connect(dsn, autocommit=True) as connection:
        insert_conversations(connection, *conversations)
        connection.execute(
            "insert into unmanaged_counts select phone_number_id, status, reason, count(*) from conversations "
            "where unmanaged group by phone_number_id, status, reason"
        )
        connection.execute(
            "insert into dismissed_counts select phone_number_id, status, dismissed_as, count(*) from conversations "
            "where dismissed_as is not null group by phone_number_id, status, dismissed_as"
        )
        yield connection
    databases.drop(dsn)


@pytest.fixture
def conn(database: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def walk(conn: Connection[Any], which: UnmanagedFilter, rows: int) -> Iterator[list[dict[str, object]]]:
    """Yields the rows of page after page, passing the cursors as text as a client does."""
    after = START
    while True:
        found = page(conn, which, rows, after)
        yield [row_document(each) for each in found.rows]
        if found.next is None:
            return
        after = Cursor.parse(str(found.next))


def matches(each: dict[str, object], which: UnmanagedFilter) -> bool:
    if which.status == "dismissed":
        return bool(each["dismissed_as"] and (which.number is None or each["phone_number_id"] == which.number))
    return bool(
        each["unmanaged"]
        and (which.status is None or each["status"] == which.status[0])
        and (which.reason is None or each["reason"] == which.reason.code)
        and (which.number is None or each["phone_number_id"] == which.number)
    )


@pytest.mark.parametrize("which", [*FILTERS, *DISMISSED], ids=str)
def test_the_pages_contain_every_matching_conversation_once_and_the_latest_first(
    which: UnmanagedFilter, full: Connection[Any], conversations: list[dict[str, object]]
) -> None:
    matching = [each for each in conversations if matches(each, which)]
    expected = [
        str(each["id"]) for each in sorted(matching, key=lambda each: (each["last_at"], each["id"]), reverse=True)
    ]
    pages = list(walk(full, which, 100))
    assert expected == [row["id"] for rows in pages for row in rows]
    assert all(len(rows) == 100 for rows in pages[:-1])


@pytest.mark.parametrize("which", FILTERS, ids=str)
def test_the_counts_depend_on_number_and_reason_and_not_on_the_status(
    which: UnmanagedFilter, full: Connection[Any], conversations: list[dict[str, object]]
) -> None:
    def count(status: ListedStatus) -> int:
        return sum(matches(each, UnmanagedFilter(status, which.reason, which.number)) for each in conversations)

    expected = {"active": count("active"), "closed": count("closed"), "dismissed": count("dismissed")}
    assert expected == page(full, which).counts


@pytest.mark.parametrize("rows", [10, 25, 50, 100])
def test_a_page_has_as_many_rows_as_requested(rows: int, full: Connection[Any]) -> None:
    assert rows == len(page(full, UnmanagedFilter(), rows).rows)


def test_the_last_page_has_no_next_cursor_even_when_it_is_full(conn: Connection[Any]) -> None:
    insert_conversations(conn, *(conversation_row(id_) for id_ in range(20)))
    first = page(conn, UnmanagedFilter(), 10)
    assert first.next is not None
    assert page(conn, UnmanagedFilter(), 10, first.next).next is None


def test_an_empty_list_is_one_empty_page(conn: Connection[Any]) -> None:
    found = page(conn, UnmanagedFilter())
    assert found == UnmanagedPage([], None, {"active": 0, "closed": 0, "dismissed": 0})


def test_a_row_shows_the_values_of_the_table(conn: Connection[Any]) -> None:
    insert_conversations(
        conn,
        conversation_row(
            7,
            phone_number_id="106540352242922",
            status="c",
            reason=Reason.NOBODY_TOOK_IT.code,
            closed_at=NOON + timedelta(days=1),
            owner_kind="s",
            owner_id="sales",
            owner_state="r",
            owner_until=NOON + timedelta(minutes=30),
            last_text="Hello",
            customer_name="Anna",
            wa_id="393331234567",
            user_id="IT.1349",
            entries=3,
            version=4,
            sequence=5,
        ),
    )
    expected = {
        "id": "00000000-0000-0000-0000-000000000007",
        "phone_number_id": "106540352242922",
        "customer": {"wa_id": "393331234567", "user_id": "IT.1349", "name": "Anna", "group_id": None},
        "status": "closed",
        "reason": "nobody_took_it",
        "last_text": "Hello",
        "last_speaker": None,
        "last_at": "2026-07-01T12:00:00Z",
        "opened_at": "2026-07-01T12:00:00Z",
        "window_ends_at": "2026-07-02T12:00:00Z",
        "closed_at": "2026-07-02T12:00:00Z",
        "owner": {"kind": "skillset", "id": "sales", "state": "reserved", "until": "2026-07-01T12:30:00Z"},
        "waits_since": None,
        "reply_by": None,
        "parked_until": None,
        "released": None,
        "dismissed": None,
        "entries": 3,
        "version": 4,
        "sequence": 5,
    }
    [only] = page(conn, UnmanagedFilter()).rows
    assert expected == row_document(only)


def test_rows_added_or_removed_while_paging_neither_repeat_nor_hide_other_rows(conn: Connection[Any]) -> None:
    unchanged = [conversation_row(id_, last_at=NOON - timedelta(seconds=id_)) for id_ in range(100)]
    insert_conversations(conn, *unchanged)
    seen = []
    for n, rows in enumerate(walk(conn, UnmanagedFilter(), 10)):
        seen += [row["id"] for row in rows]
        newer, older = NOON + timedelta(seconds=n + 1), NOON - timedelta(days=1, seconds=n)
        insert_conversations(
            conn, conversation_row(1000 + n, last_at=newer), conversation_row(2000 + n, last_at=older, status="c")
        )
        conn.execute("delete from conversations where id = %s", (UUID(int=2000 + n - 1),))
        if n == 12:
            break
    assert [str(each["id"]) for each in unchanged] == seen[:100]
    assert len(set(seen)) == len(seen)


def test_psycopg_keeps_the_parsed_form_of_the_statement(conn: Connection[Any]) -> None:
    """It keeps no longer ones, and parses those again for each page."""
    longest = statement(UnmanagedFilter(number="2")).as_bytes(conn)
    assert len(longest) <= MAX_CACHED_STATEMENT_LENGTH


def test_the_statement_is_never_planned_for_particular_values(conn: Connection[Any]) -> None:
    for _ in range(3):
        page(conn, UnmanagedFilter())
    plans = "select generic_plans, custom_plans from pg_prepared_statements where statement like '%union all%'"
    assert conn.execute(plans).fetchall() == [(3, 0)]


@pytest.mark.parametrize("which", DISMISSED, ids=str)
def test_dismissed_conversations_are_read_from_their_index_in_order(
    which: UnmanagedFilter, full: Connection[Any]
) -> None:
    full.execute("analyze conversations")
    text = statement(which).as_string(full)
    for place, name in enumerate(("number", "at", "id", "limit"), 1):
        text = text.replace(f"%({name})s", f"${place}")
    explained = full.execute(SQL("explain (generic_plan, costs off) {}").format(SQL(text))).fetchall()
    plan = "\n".join(line for (line,) in explained)
    assert 1 == plan.count(f"Index Scan using conversations_dismissed{'_number' if which.number else ''} on"), plan
    assert "Sort\n" not in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("which", FILTERS, ids=str)
def test_every_list_is_read_from_its_index_in_order_without_a_sort(
    which: UnmanagedFilter, full: Connection[Any]
) -> None:
    full.execute("analyze conversations")
    text = statement(which).as_string(full)
    for number, name in enumerate(("number", "at", "id", "limit"), 1):
        text = text.replace(f"%({name})s", f"${number}")
    explained = full.execute(SQL("explain (generic_plan, costs off) {}").format(SQL(text))).fetchall()
    plan = "\n".join(line for (line,) in explained)
    index = "conversations_list_number" if which.number else "conversations_list_reason"
    branches = (1 if which.status else 2) * (1 if which.reason else len(Reason))
    assert branches == plan.count(f"Index Scan using {index}"), plan
    assert "Sort\n" not in plan
    assert "Seq Scan" not in plan
