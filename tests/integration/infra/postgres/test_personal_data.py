"""Every table and column of the schema is classified: an erasure removes it, changes it, or leaves it for a reason. A
table or column that is new fails here until somebody has said which (docs/design/retention.md)."""

import re
from typing import Any

from psycopg import Connection

from infra.postgres.connections.clock import database_now
from infra.postgres.connections.pool import connect
from infra.postgres.retention.people import Subject, counted
from infra.postgres.retention.personal import HOLDINGS
from infra.postgres.retention.unaffected import KEPT, KEPT_COLUMNS
from infra.postgres.roles import PRIVILEGES
from tests.support.paths import ROOT

DOCUMENT = ROOT / "docs" / "design" / "retention.md"


def columns_of_all_tables(connection: Connection[Any]) -> dict[str, set[str]]:
    """Table -> its columns, partitions left out: they have those of their tables."""
    rows = connection.execute(
        "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid "
        "where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition "
        "and a.attnum > 0 and not a.attisdropped and c.relname <> 'alembic_version'"
    ).fetchall()
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found


def changed_by(table: str) -> set[str]:
    changes = ", ".join(each.change for each in HOLDINGS if each.table == table and each.change)
    return set(re.findall(r"\b(\w+) = (?!any|\()", changes))


def test_every_table_is_removed_changed_or_left_for_a_reason(database: str) -> None:
    with connect(database, "test", autocommit=True) as connection:
        tables = columns_of_all_tables(connection)
    held = {each.table for each in HOLDINGS}
    assert set() == held & KEPT.keys()
    assert tables.keys() == held | KEPT.keys(), "say in infra/postgres/retention what an erasure does with it"


def test_every_column_that_an_erasure_leaves_is_named(database: str) -> None:
    with connect(database, "test", autocommit=True) as connection:
        tables = columns_of_all_tables(connection)
    for table, kept in KEPT.items():
        assert (table, tables[table]) == (table, set(kept.columns.split()))
    only_changed = {each.table for each in HOLDINGS} - {each.table for each in HOLDINGS if each.change is None}
    assert only_changed <= KEPT_COLUMNS.keys()
    for table, columns in KEPT_COLUMNS.items():
        assert (table, tables[table]) == (table, set(columns.split()) | changed_by(table) & tables[table])


def test_every_statement_of_the_list_is_valid_and_finds_nothing_in_an_empty_database(database: str) -> None:
    with connect(database, "test", autocommit=True) as connection:
        assert {} == counted(connection, Subject(), database_now(connection), everything=True)


def test_what_stays_of_a_changed_row_is_said() -> None:
    assert [] == [each.table for each in HOLDINGS if each.change is not None and not each.kept]


def test_the_process_may_do_what_the_list_says() -> None:
    allowed = PRIVILEGES["retention"]
    for each in HOLDINGS:
        assert ("delete" if each.change is None else "update") in allowed[each.table], each.table


def test_the_document_has_the_same_tables() -> None:
    listed, _, left = DOCUMENT.read_text().partition("## Table by table")[2].partition("### Left as they are")
    rows = re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE)
    assert sorted({each.table for each in HOLDINGS}) == sorted(rows)
    assert KEPT.keys() == set(re.findall(r"`(\w+)`", left.partition("\n## ")[0]))
