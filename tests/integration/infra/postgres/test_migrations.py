"""Migrations: every earlier version of the schema becomes today's, with its rows, and no half of one is ever seen."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg.sql import SQL, Composed, Identifier, Literal

import infra.postgres.migrations
from infra.postgres.migrations import SchemaIsNewer, migrate, pending, versions
from tests.support.databases import Databases

SCHEMA = """
    select 'column', table_name, column_name, data_type, is_nullable, column_default, is_identity
    from information_schema.columns where table_schema = 'public'
  union all
    select 'index', tablename, indexname, indexdef, null, null, null from pg_indexes where schemaname = 'public'
  union all
    select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), null, null, null
    from pg_constraint where connamespace = 'public'::regnamespace
  union all
    select 'table', relname, reloptions::text, null, null, null, null
    from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
  union all
    select 'sequence', sequencename, cache_size::text, data_type::text, null, null, null from pg_sequences
  order by 1, 2, 3, 4
"""

VALUES = {
    "uuid": "00000000-0000-0000-0000-000000000001",
    "timestamp with time zone": "2026-01-01T00:00:00Z",
    "boolean": "true",
    '"char"': "a",
    "json": "{}",
    "ARRAY": "{}",
}
"""Type -> something that a column of it takes; `1` is a number and a text."""
CHECKED = {
    ("set_aside", "kind"): "unreadable",
    ("command_audit", "outcome"): "applied",
    ("mails", "state"): "requested",
}


@pytest.fixture
def blank(databases: Databases) -> Iterator[str]:
    """A database without a schema."""
    dsn = databases.create_blank()
    yield dsn
    databases.drop(dsn)


def _schema(dsn: str) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(SCHEMA).fetchall()


def _fill(dsn: str) -> None:
    """One row in every table that has none."""
    with psycopg.connect(dsn) as connection:
        for table in _rows(dsn):
            columns = connection.execute(
                "select column_name, data_type from information_schema.columns "
                "where table_schema = 'public' and table_name = %s and is_identity = 'NO'",
                [table],
            ).fetchall()
            given: dict[str, str] = {
                name: CHECKED.get((table, name)) or VALUES.get(kind, "1") for name, kind in columns
            }
            connection.execute(_insert(table, given))


def _insert(table: str, row: dict[str, str]) -> Composed:
    return SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
        Identifier(table), SQL(",").join(map(Identifier, row)), SQL(",").join(map(Literal, row.values()))
    )


def _rows(dsn: str) -> dict[str, int]:
    """Table -> how many rows it has."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version' order by 1"
        ).fetchall()
        counts = {}
        for (table,) in tables:
            row = connection.execute(SQL("select count(*) from {}").format(Identifier(table))).fetchone()
            assert row is not None
            counts[table] = row[0]
        return counts


def test_a_blank_database_gets_every_version_in_order(blank: str) -> None:
    """And a second run has nothing left to do."""
    assert migrate(blank) == versions()
    assert migrate(blank) == []


@pytest.mark.parametrize("version", versions())
def test_every_earlier_version_becomes_todays_schema_with_its_rows(blank: str, database: str, version: str) -> None:
    """An installation that skipped releases ends where a fresh one begins."""
    applied = migrate(blank, to=version)
    _fill(blank)
    before = _rows(blank)
    assert min(before.values()) == 1

    assert applied + migrate(blank) == versions()

    after = _rows(blank)
    assert {table: after.get(table) for table in before} == before
    assert _schema(blank) == _schema(database)


def test_several_that_migrate_at_once_do_it_once(blank: str) -> None:
    """Every process of a roll-out may try: the others wait and find nothing to do."""
    with ThreadPoolExecutor(4) as together:
        applied = list(together.map(migrate, [blank] * 4))

    assert sorted(applied, key=len) == [[], [], [], versions()]


def test_a_migration_that_fails_leaves_nothing_behind(blank: str) -> None:
    """All versions are one transaction."""
    with psycopg.connect(blank) as connection:
        connection.execute("create table outbox (kept text)")
    before = _schema(blank)

    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(blank)

    assert _schema(blank) == before


def test_a_schema_of_a_later_program_is_refused_and_left_alone(database: str) -> None:
    """After a roll-back of the program nobody guesses what its tables mean."""
    with psycopg.connect(database) as connection:
        connection.execute("update alembic_version set version_num = '9999_later'")
    before = _schema(database)

    with pytest.raises(SchemaIsNewer, match="9999_later"):
        migrate(database)

    assert _schema(database) == before
    with psycopg.connect(database) as connection, pytest.raises(SchemaIsNewer):
        pending(connection)


def test_what_a_database_lacks_is_known_without_changing_it(blank: str, database: str) -> None:
    """`witiop doctor` asks."""
    with psycopg.connect(blank) as connection:
        assert pending(connection) == versions()
    assert _schema(blank) == []
    with psycopg.connect(database) as connection:
        assert pending(connection) == []


def test_every_file_of_statements_is_a_revision_in_the_order_of_its_name() -> None:
    """A new file without its revision would never be applied."""
    config = Config()
    config.set_main_option("script_location", str(Path(infra.postgres.migrations.__file__).parent / "alembic"))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions[::-1] == versions()
