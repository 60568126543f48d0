"""The list of unmanaged conversations in a real database."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from domain.contract.row import row_document
from domain.conversations.conversation import Status
from domain.conversations.reasons import Reason
from infra.postgres.lists.cursor import START, Cursor
from infra.postgres.lists.unmanaged import UnmanagedFilter, UnmanagedPage, page, statement
from tests.support.databases import Databases

NUMBERS = ("106540352242922", "2", "3")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
ROWS = 3000

STATUSES: tuple[Status | None, ...] = (None, "active", "closed")
FILTERS = [UnmanagedFilter(*each) for each in product(STATUSES, (None, *Reason), (None, "2"))]


def columns(id_: int, **given: object) -> dict[str, object]:
    """A conversation of the table: active, unmanaged, for no choice, with what is given."""
    at = given.get("last_at", NOON)
    assert isinstance(at, datetime)
    return {
        "id": UUID(int=id_),
        "customer_id": UUID(int=id_),
        "phone_number_id": "2",
        "status": "a",
        "unmanaged": True,
        "reason": Reason.NO_CHOICE.code,
        "managed": False,
        "opened_at": at,
        "last_at": at,
        "window_ends_at": at + timedelta(days=1),
        "entries": 1,
        "version": 1,
        "sequence": 2,
        "because": [],
        "memory": "{}",
        **given,
    }


def insert(conn: Connection[Any], *conversations: dict[str, object]) -> None:
    names = list(conversations[0])
    statement = SQL("insert into conversations ({}) values ({})").format(
        SQL(", ").join(map(Identifier, names)), SQL(", ").join([SQL("%s")] * len(names))
    )
    with conn.cursor() as cursor:
        cursor.executemany(statement, [[each[name] for name in names] for each in conversations])


def many() -> list[dict[str, object]]:
    """Conversations of every number, status and reason, many at the same instant, and some that are on no list."""
    chance = random.Random(20260701)
    return [
        columns(
            chance.getrandbits(128),
            phone_number_id=chance.choices(NUMBERS, (80, 15, 5))[0],
            status=chance.choice("ac"),
            reason=chance.choice(list(Reason)).code if listed else None,
            unmanaged=listed,
            managed=not listed,
            last_at=NOON - timedelta(microseconds=chance.randrange(ROWS // 4)),
        )
        for listed in (chance.random() < 0.9 for _ in range(ROWS))
    ]


@pytest.fixture(scope="module")
def conversations() -> list[dict[str, object]]:
    return many()


@pytest.fixture(scope="module")
def full(databases: Databases, conversations: list[dict[str, object]]) -> Iterator[Connection[Any]]:
    """A database with all of them, which no test changes."""
    dsn = databases.create()
    with psycopg.connect(dsn, autocommit=True) as connection:
        insert(connection, *conversations)
        connection.execute(
            "insert into unmanaged_counts select phone_number_id, status, reason, count(*) from conversations "
            "where unmanaged group by phone_number_id, status, reason"
        )
        yield connection
    databases.drop(dsn)


@pytest.fixture
def conn(database: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def walk(conn: Connection[Any], which: UnmanagedFilter, rows: int) -> Iterator[list[dict[str, object]]]:
    """Page after page, with the cursors as a program would hand them back."""
    after = START
    while True:
        found = page(conn, which, rows, after)
        yield [row_document(each) for each in found.rows]
        if found.next is None:
            return
        after = Cursor.parse(str(found.next))


def fits(each: dict[str, object], which: UnmanagedFilter) -> bool:
    return bool(
        each["unmanaged"]
        and (which.status is None or each["status"] == which.status[0])
        and (which.reason is None or each["reason"] == which.reason.code)
        and (which.number is None or each["phone_number_id"] == which.number)
    )


@pytest.mark.parametrize("which", FILTERS, ids=str)
def test_its_pages_are_all_that_fits_newest_first_each_once(
    which: UnmanagedFilter, full: Connection[Any], conversations: list[dict[str, object]]
) -> None:
    fitting = [each for each in conversations if fits(each, which)]
    expected = [
        str(each["id"]) for each in sorted(fitting, key=lambda each: (each["last_at"], each["id"]), reverse=True)
    ]
    pages = list(walk(full, which, 100))
    assert expected == [row["id"] for rows in pages for row in rows]
    assert all(len(rows) == 100 for rows in pages[:-1])


@pytest.mark.parametrize("which", FILTERS, ids=str)
def test_counts_follow_number_and_reason_whatever_the_status(
    which: UnmanagedFilter, full: Connection[Any], conversations: list[dict[str, object]]
) -> None:
    def count(status: Status) -> int:
        return sum(fits(each, UnmanagedFilter(status, which.reason, which.number)) for each in conversations)

    expected = {"active": count("active"), "closed": count("closed")}
    assert expected == page(full, which).counts


@pytest.mark.parametrize("rows", [10, 25, 50, 100])
def test_a_page_has_as_many_rows_as_the_bar_says(rows: int, full: Connection[Any]) -> None:
    assert rows == len(page(full, UnmanagedFilter(), rows).rows)


def test_the_last_page_has_no_next_even_when_it_is_full(conn: Connection[Any]) -> None:
    insert(conn, *(columns(id_) for id_ in range(20)))
    first = page(conn, UnmanagedFilter(), 10)
    assert first.next is not None
    assert page(conn, UnmanagedFilter(), 10, first.next).next is None


def test_an_empty_list_is_one_empty_page(conn: Connection[Any]) -> None:
    found = page(conn, UnmanagedFilter())
    assert found == UnmanagedPage([], None, {"active": 0, "closed": 0})


def test_a_row_shows_what_the_table_holds(conn: Connection[Any]) -> None:
    insert(
        conn,
        columns(
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
        "customer": {"wa_id": "393331234567", "user_id": "IT.1349", "name": "Anna"},
        "status": "closed",
        "reason": "nobody_took_it",
        "last_text": "Hello",
        "last_at": "2026-07-01T12:00:00Z",
        "opened_at": "2026-07-01T12:00:00Z",
        "window_ends_at": "2026-07-02T12:00:00Z",
        "closed_at": "2026-07-02T12:00:00Z",
        "owner": {"kind": "skillset", "id": "sales", "state": "reserved", "until": "2026-07-01T12:30:00Z"},
        "entries": 3,
        "version": 4,
        "sequence": 5,
    }
    [only] = page(conn, UnmanagedFilter()).rows
    assert expected == row_document(only)


def test_what_comes_and_goes_while_one_pages_neither_repeats_nor_hides_the_rest(conn: Connection[Any]) -> None:
    stay = [columns(id_, last_at=NOON - timedelta(seconds=id_)) for id_ in range(100)]
    insert(conn, *stay)
    seen = []
    for n, rows in enumerate(walk(conn, UnmanagedFilter(), 10)):
        seen += [row["id"] for row in rows]
        newer, older = NOON + timedelta(seconds=n + 1), NOON - timedelta(days=1, seconds=n)
        insert(conn, columns(1000 + n, last_at=newer), columns(2000 + n, last_at=older, status="c"))
        conn.execute("delete from conversations where id = %s", (UUID(int=2000 + n - 1),))
        if n == 12:
            break
    assert [str(each["id"]) for each in stay] == seen[:100]
    assert len(set(seen)) == len(seen)


def test_the_plan_is_never_made_for_the_values_at_hand(conn: Connection[Any]) -> None:
    for _ in range(3):
        page(conn, UnmanagedFilter())
    plans = "select generic_plans, custom_plans from pg_prepared_statements where statement like '%union all%'"
    assert conn.execute(plans).fetchall() == [(3, 0)]


@pytest.mark.parametrize("which", FILTERS, ids=str)
def test_every_list_reads_its_index_in_order_and_sorts_nothing(which: UnmanagedFilter, full: Connection[Any]) -> None:
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
