"""The directory on a real database: it is read back, changed and locked as a whole."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import time
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from domain.directory import Directory, Number, Opening, Skillset, User
from infra.postgres.directory import DirectoryChanges, apply, read, version
from infra.postgres.directory_versions import DirectoryChange
from tests.support.waiting import wait_until

SALES = Skillset("sales", "Sales", ("quote", "offer"))
ANNA = User("anna", "Anna Rossi", "anna@example.com", "agent", 3, ("sales",))
SHOP = Number(
    "106540352242922",
    "Shop",
    "Europe/Rome",
    hours={"mon": (Opening(time(9), time(13)), Opening(time(14, 30), time.max)), "tue": (Opening(time(0), time.max),)},
    menu={"1": "sales", "ü": "sales"},
    language="it",
    stop_words=("basta così",),
    start_words=("rieccomi",),
)
COMPANY = Directory({SHOP.phone_number_id: SHOP}, {"sales": SALES}, {"anna": ANNA})


@pytest.fixture
def conn(database: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def test_a_new_database_has_an_empty_directory(conn: Connection[Any]) -> None:
    assert (0, Directory()) == read(conn)


def test_an_applied_directory_is_read_back(conn: Connection[Any]) -> None:
    assert apply(conn, COMPANY).version == 1
    expected = (1, COMPANY)
    assert expected == read(conn)


def test_a_number_without_hours_is_read_back_without_hours(conn: Connection[Any]) -> None:
    always = Directory({"1": Number("1", softbot=True)})
    apply(conn, always)
    assert (1, always) == read(conn)


def test_applying_a_directory_returns_the_changes(conn: Connection[Any]) -> None:
    apply(conn, COMPANY)
    moved = replace(SHOP, time_zone="Europe/Vienna")
    after = Directory({SHOP.phone_number_id: moved, "2": Number("2")}, {"sales": SALES}, {})
    expected = DirectoryChanges(
        2,
        (
            DirectoryChange("removed", "user", "anna"),
            DirectoryChange("changed", "number", SHOP.phone_number_id),
            DirectoryChange("added", "number", "2"),
        ),
    )
    assert expected == apply(conn, after)
    assert (2, after) == read(conn)


def test_applying_the_same_directory_again_changes_nothing(conn: Connection[Any]) -> None:
    apply(conn, COMPANY)
    assert DirectoryChanges(1, ()) == apply(conn, COMPANY)
    assert version(conn) == 1


def test_a_directory_is_applied_as_a_whole_or_not_at_all(conn: Connection[Any]) -> None:
    apply(conn, COMPANY)
    unstorable = Number("2", "a name that PostgreSQL cannot hold: \0")
    with pytest.raises(psycopg.DataError):
        apply(conn, Directory({"2": unstorable}, {"support": Skillset("support", "Support")}, {}))
    expected = (1, COMPANY)
    assert expected == read(conn)


def test_a_concurrent_apply_waits_and_then_replaces_the_directory_of_the_first(
    database: str, conn: Connection[Any]
) -> None:
    first, second = (Directory(skillsets={name: Skillset(name, name)}) for name in ("first", "second"))

    def apply_second() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            apply(connection, second)

    def second_waits() -> bool:
        waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        return watcher.execute(waiting).fetchone() is not None

    other = threading.Thread(target=apply_second)
    with psycopg.connect(database, autocommit=True) as watcher, conn.transaction():
        apply(conn, first)
        other.start()
        wait_until(second_waits)
    other.join()
    expected = (2, second)
    assert expected == read(conn)
