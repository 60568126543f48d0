"""Partitions of entries and history by month: made while everything is written to, and dropped when they are empty
(docs/design/retention.md, R3)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from infra.postgres.migrations import migrate
from infra.postgres.retention.months import drop_emptied_month, months_of, next_month_step
from infra.postgres.roles import provide
from tests.support.databases import Databases

OUTSIDE = datetime(2999, 5, 5, tzinfo=UTC)


@pytest.fixture
def connection(database: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def arrange(connection: Connection[Any], ahead: int = 2) -> list[str]:
    """All steps of both tables; returns those that were done."""
    steps: list[str] = []
    for parent in ("entries", "history"):
        while (step := next_month_step(connection, parent, ahead)) is not None:
            steps.append(step)
    return steps


def write(connection: Connection[Any], sent_at: datetime) -> None:
    """Inserts an entry, and an event of a conversation that was opened then."""
    connection.execute(
        "insert into entries (input_id, sent_at, at, customer_id, kind, detail) "
        "values (gen_random_uuid(), %s, now(), gen_random_uuid(), 'k', '{}')",
        [sent_at],
    )
    connection.execute(
        "insert into history (conversation_id, sequence, at, event, because) values "
        "((overlay(gen_random_uuid()::text placing left(first_conversation_id(%s)::text, 13) from 1))::uuid, "
        "1, now(), 'e', '{}')",
        [sent_at],
    )


def places(connection: Connection[Any], table: str) -> dict[str, int]:
    rows = connection.execute(f"select tableoid::regclass::text, count(*) from {table} group by 1")
    return dict(rows.fetchall())


def test_months_are_made_and_hold_what_belongs_to_them(connection: Connection[Any]) -> None:
    """What was there before, of a clock that is wrong by centuries too, is in its place."""
    now = datetime.now(UTC)
    for at in (now - timedelta(days=4000), now, OUTSIDE):
        write(connection, at)
    steps = arrange(connection)
    assert {"guarded", "checked"} < set(steps)
    assert [] == arrange(connection)
    for table in ("entries", "history"):
        assert {f"{table}_before": 2, f"{table}_rest": 1} == places(connection, table)
        low, *_, last = months_of(connection, table)
        assert low.low is None
        assert last.high > now + timedelta(days=59)
    for month in months_of(connection, "entries")[1:]:
        assert month.low is not None
        write(connection, month.low)
        assert 1 == places(connection, "entries")[month.name]


def test_rows_that_came_before_their_month_was_made_move_into_it(connection: Connection[Any]) -> None:
    arrange(connection, ahead=2)
    last = months_of(connection, "entries")[-1]
    write(connection, last.high + timedelta(days=40))
    assert 1 == places(connection, "entries")["entries_rest"]
    arrange(connection, ahead=5)
    assert "entries_rest" not in places(connection, "entries")
    assert "history_rest" not in places(connection, "history")


def test_an_emptied_month_is_dropped(connection: Connection[Any]) -> None:
    arrange(connection)
    connection.execute("update months set high = now() - interval '3 months' where name = 'entries_before'")
    write(connection, datetime(2020, 1, 1, tzinfo=UTC))
    assert drop_emptied_month(connection, "entries") is None, "it has a row"
    connection.execute("delete from entries")
    assert "entries_before" == drop_emptied_month(connection, "entries")
    assert drop_emptied_month(connection, "entries") is None
    write(connection, datetime(2020, 1, 1, tzinfo=UTC))
    assert {"entries_rest": 1} == places(connection, "entries")


def test_months_are_made_while_others_write(connection: Connection[Any], database: str) -> None:
    """Every step gives up after two seconds and is done again, so nobody waits for longer, and nothing is lost."""
    written = 0
    failures: list[Exception] = []
    stop = False

    def writes() -> None:
        nonlocal written
        with psycopg.connect(database, autocommit=True) as other:
            try:
                while not stop:
                    with other.transaction():
                        for days in (-400, 0, 20, 75):
                            write(other, datetime.now(UTC) + timedelta(days=days))
                        written += 4
            except psycopg.Error as error:
                failures.append(error)

    writer = Thread(target=writes)
    writer.start()
    try:
        for parent in ("entries", "history"):
            for _ in range(50):
                try:
                    if next_month_step(connection, parent, 2) is None:
                        break
                except psycopg.errors.LockNotAvailable:
                    continue
    finally:
        stop = True
        writer.join()
    # until a table is split off, its check refuses what belongs to later months: that is tried again
    assert [] == [error for error in failures if not isinstance(error, psycopg.errors.CheckViolation)]
    total = connection.execute("select count(*) from entries").fetchone()
    assert total is not None
    assert written <= total[0] <= written + 4


def test_a_filled_database_is_migrated_without_reading_its_tables(databases: Databases) -> None:
    """The old table is the default partition afterwards, with its rows, its file and its privileges."""
    dsn = databases.create_blank()
    try:
        migrate(dsn, "0046_skillset_words")
        with psycopg.connect(dsn, autocommit=True) as connection:
            write_before(connection)
            before = connection.execute("select pg_relation_filenode('entries'), pg_relation_filenode('history')")
            files = before.fetchone()
            role = connection.execute("select current_database() || '_conversations'").fetchone()
            assert role is not None
            connection.execute(f'create role "{role[0]}"')
            connection.execute(f'grant select, insert on entries to "{role[0]}"')
        migrate(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            after = connection.execute(
                "select pg_relation_filenode('entries_rest'), pg_relation_filenode('history_rest')"
            )
            assert files == after.fetchone()
            assert {"entries_rest": 1} == places(connection, "entries")
            allowed = connection.execute("select has_table_privilege(%s, 'entries', 'insert')", role).fetchone()
            assert allowed == (True,)
            connection.execute(f'drop owned by "{role[0]}"')
            connection.execute(f'drop role "{role[0]}"')
    finally:
        databases.drop(dsn)


def write_before(connection: Connection[Any]) -> None:
    connection.execute(
        "insert into entries (input_id, sent_at, at, customer_id, kind, detail) "
        "values (gen_random_uuid(), now(), now(), gen_random_uuid(), 'k', '{}')"
    )


def test_only_the_process_of_retention_may_change_months(connection: Connection[Any]) -> None:
    made = provide(connection)
    try:
        database = connection.execute("select current_database()").fetchone()
        assert database is not None
        for process, may in (("retention", True), ("conversations", False)):
            row = connection.execute(
                "select has_function_privilege(%s, 'next_month_step(text, timestamptz, integer)', 'execute'), "
                "has_table_privilege(%s, 'erasure_key', 'select')",
                [f"{database[0]}_{process}"] * 2,
            ).fetchone()
            assert (may, False) == row
    finally:
        for role in made.created:
            connection.execute(f'drop owned by "{role}"')
            connection.execute(f'drop role "{role}"')
