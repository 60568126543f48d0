"""How rules find what changed on the list, among many conversations that are over."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from infra.postgres.rules import watch
from infra.postgres.rules.watch import Looked
from tests.support.conversation_rows import NOON, conversation_row, insert_conversations

LISTED, OVER, VERSION = 40, 4000, 7


@pytest.fixture
def company(database: str) -> Iterator[Connection[Any]]:
    """A connection to a company with forty conversations on the list, which rules have looked at, and thousands that
    are over."""
    with psycopg.connect(database, autocommit=True) as connection:
        over = {"status": "c", "closed_at": NOON}
        insert_conversations(connection, *(conversation_row(n, **over) for n in range(1, OVER + 1)))
        insert_conversations(connection, *(conversation_row(OVER + n) for n in range(1, LISTED + 1)))
        connection.execute("vacuum analyze conversations")
        assert LISTED == watch.note_changed(connection, VERSION, 2 * LISTED)
        looked = [Looked(UUID(int=OVER + n), 1, 1, VERSION, NOON, None) for n in range(1, LISTED + 1)]
        watch.write(connection, looked, ())
        connection.execute("analyze rule_watch")
        yield connection


def rows_read(connection: Connection[Any]) -> int:
    """How many rows of conversations this transaction has read so far."""
    asked = (
        "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables "
        "where relname = 'conversations'"
    )
    ((rows,),) = connection.execute(asked).fetchall()
    return int(rows)


@pytest.mark.parametrize("avoided", ["enable_hashjoin", "enable_nestloop", "enable_mergejoin"])
def test_a_look_at_the_list_reads_no_conversation_that_is_over(company: Connection[Any], avoided: str) -> None:
    """However PostgreSQL joins what was seen: which way it takes depends on its statistics."""
    with company.transaction():
        company.execute(f"set local {avoided} = off")
        assert 0 == watch.note_changed(company, VERSION, LISTED)
        assert rows_read(company) <= 2 * LISTED  # those of a bitmap are counted twice
        assert 0 == watch.delete_gone(company)
        assert rows_read(company) <= 4 * LISTED


def test_those_whose_window_ends_first_are_noted_first(company: Connection[Any]) -> None:
    """After a change of the directory all are looked at once more, some at a time."""
    last = UUID(int=OVER + LISTED)
    company.execute("update conversations set window_ends_at = %s where id = %s", [NOON, last])
    assert 1 == watch.note_changed(company, VERSION + 1, 1)
    assert [last] == watch.due(company, NOON, LISTED)


def test_what_left_the_list_is_forgotten(company: Connection[Any]) -> None:
    company.execute(
        "update conversations set unmanaged = false, managed = true, reason = null where id = %s", [UUID(int=OVER + 1)]
    )
    assert 1 == watch.delete_gone(company)
    assert 0 == watch.delete_gone(company)
