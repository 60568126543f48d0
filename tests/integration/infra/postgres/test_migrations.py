"""Migrations: every earlier version of the schema becomes the current one and retains its rows, all or nothing."""

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
    "timestamp with time zone": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "boolean": "true",
    '"char"': "a",
    "json": "{}",
    "jsonb": "{}",
    "bytea": "1",
    "ARRAY": "{}",
}
"""Type -> a value for a column of it. Columns of other types take a number, which is also a text."""
CHECKED = {
    ("set_aside", "kind"): "unreadable",
    ("command_audit", "outcome"): "applied",
    ("mails", "state"): "requested",
    ("sign_ins", "list_order"): "urgent",
    ("sign_ins", "level"): "agent",
    ("sign_ins", "list_status"): "active",
    ("quick_replies", "scope"): "user",
    ("erasures", "state"): "asked",
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


def _fill(dsn: str, number: int = 1) -> None:
    """Inserts a row into every table, with values that belong to this number."""
    values_of = {**VALUES, "uuid": f"00000000-0000-0000-0000-{number:012}"}
    with psycopg.connect(dsn) as connection:
        for table in _rows(dsn):
            columns = connection.execute(
                "select column_name, data_type from information_schema.columns "
                "where table_schema = 'public' and table_name = %s and is_identity = 'NO' and is_generated = 'NEVER'",
                [table],
            ).fetchall()
            values: dict[str, str] = {
                name: CHECKED.get((table, name)) or values_of.get(kind, str(number)) for name, kind in columns
            }
            connection.execute(_insert(table, values))


def _insert(table: str, row: dict[str, str]) -> Composed:
    return SQL("insert into {} ({}) values ({}) on conflict do nothing").format(
        Identifier(table), SQL(",").join(map(Identifier, row)), SQL(",").join(map(Literal, row.values()))
    )


REPLACED = {"marketing_preferences": "opt_outs"}
"""Table -> the one that has its rows since a later version."""


def _missing(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """Returns the tables whose rows a migration did not retain, in their place or in another table."""
    return {table for table, rows in before.items() if after.get(table, after.get(REPLACED.get(table, ""))) != rows}


def _rows(dsn: str) -> dict[str, int]:
    """Returns table -> number of rows."""
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


def test_a_blank_database_is_migrated_through_all_versions_in_order(blank: str) -> None:
    """A second run has nothing to do."""
    assert migrate(blank) == versions()
    assert migrate(blank) == []


def test_the_first_version_becomes_the_current_schema_and_retains_its_rows(blank: str, database: str) -> None:
    """An installation that skipped every release between ends with the schema of a new one."""
    applied = migrate(blank, to=versions()[0])
    _fill(blank)
    before = _rows(blank)

    assert applied + migrate(blank) == versions()

    after = _rows(blank)
    assert set() == _missing(before, after)
    assert _schema(blank) == _schema(database)


def test_every_version_becomes_the_next_one_and_retains_its_rows(blank: str, database: str) -> None:
    """Each version has rows of its own, and those of the versions before it."""
    before: dict[str, int] = {}
    for number, version in enumerate(versions(), 1):
        assert migrate(blank, to=version) == [version]
        after = _rows(blank)
        assert set() == _missing(before, after), version
        _fill(blank, number)
        before = _rows(blank)
        assert min(before.values()) >= 1
    assert _schema(blank) == _schema(database)


def test_what_customers_had_told_meta_is_still_known(blank: str) -> None:
    """Of who stopped marketing, and of who wanted it again."""
    before = versions()[: versions().index("0036_campaigns")]
    migrate(blank, to=before[-1])
    with psycopg.connect(blank) as connection:
        for phone, wants in (("391", False), ("392", True)):
            connection.execute(
                "insert into marketing_preferences values ('1', 'w', %s, %s, now(), gen_random_uuid())", [phone, wants]
            )
    migrate(blank)
    with psycopg.connect(blank) as connection:
        rows = connection.execute("select value, source, scope, in_force from opt_outs order by value").fetchall()
    assert [("391", "meta", "marketing", True), ("392", "meta", "marketing", False)] == rows


def test_concurrent_migrations_apply_every_version_once(blank: str) -> None:
    """In a roll-out several processes may migrate: one does, the others wait and find nothing to do."""
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [blank] * 4))

    assert sorted(applied, key=len) == [[], [], [], versions()]


def test_a_failed_migration_leaves_the_database_unchanged(blank: str) -> None:
    """All versions are applied in one transaction."""
    with psycopg.connect(blank) as connection:
        connection.execute("create table outbox (existing text)")
    before = _schema(blank)

    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(blank)

    assert _schema(blank) == before


def test_a_schema_of_a_later_program_is_refused_and_left_unchanged(database: str) -> None:
    """A program that was rolled back must not guess what the newer tables mean."""
    with psycopg.connect(database) as connection:
        connection.execute("update alembic_version set version_num = '9999_later'")
    before = _schema(database)

    with pytest.raises(SchemaIsNewer, match="9999_later"):
        migrate(database)

    assert _schema(database) == before
    with psycopg.connect(database) as connection, pytest.raises(SchemaIsNewer):
        pending(connection)


def test_pending_versions_are_found_without_changing_the_database(blank: str, database: str) -> None:
    """`witiop doctor` uses this."""
    with psycopg.connect(blank) as connection:
        assert pending(connection) == versions()
    assert _schema(blank) == []
    with psycopg.connect(database) as connection:
        assert pending(connection) == []


def test_every_sql_file_is_a_revision_and_their_names_are_in_order() -> None:
    """A new file without a revision would never be applied."""
    config = Config()
    config.set_main_option("script_location", str(Path(infra.postgres.migrations.__file__).parent / "alembic"))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions[::-1] == versions()
