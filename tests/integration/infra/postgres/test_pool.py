"""Connections to PostgreSQL: they have timeouts and a name, and use UTC."""

from contextlib import closing

import psycopg
import pytest
from psycopg import sql
from psycopg_pool import PoolTimeout

from infra.postgres.connections.pool import connect, conninfo, pool
from infra.postgres.connections.session import DatabaseSession


def _setting(connection: psycopg.Connection[object], name: str) -> object:
    row = connection.execute("select current_setting(%s)", [name]).fetchone()
    assert isinstance(row, tuple)
    return row[0]


def test_a_connection_has_a_name_a_time_zone_and_timeouts(database: str) -> None:
    """The name is shown in pg_stat_activity."""
    with connect(database, "timer") as connection:
        assert {
            name: _setting(connection, name)
            for name in (
                "application_name",
                "TimeZone",
                "statement_timeout",
                "lock_timeout",
                "idle_in_transaction_session_timeout",
            )
        } == {
            "application_name": "witiop timer",
            "TimeZone": "UTC",
            "statement_timeout": "30s",
            "lock_timeout": "10s",
            "idle_in_transaction_session_timeout": "30s",
        }


def test_options_of_the_connection_string_are_retained(database: str) -> None:
    """An installation may need e.g. its own search path; our timeouts are added to such options."""
    configured = psycopg.conninfo.make_conninfo(database, options="-c work_mem=8MB")
    with connect(configured, "timer") as connection:
        assert (_setting(connection, "work_mem"), _setting(connection, "lock_timeout")) == ("8MB", "10s")


def test_a_statement_that_takes_too_long_is_cancelled(database: str) -> None:
    """The connection can be used afterwards."""
    limited = conninfo(database, "timer", statement_seconds=0.05)
    with psycopg.connect(limited, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(10)")
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_pool_replaces_a_broken_connection(database: str) -> None:
    """The next caller receives a working connection and no error of the old one."""
    with pool(database, "console", size=1) as connections:
        with connections.connection() as first:
            pid = first.info.backend_pid
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s, 5000)", [pid])
        with connections.connection() as second:
            assert second.execute("select pg_backend_pid() <> %s", [pid]).fetchone() == (True,)


def test_a_pool_is_closed_until_its_process_opens_it(database: str) -> None:
    """A connection opened before a fork would be shared by both processes."""
    assert pool(database, "console", size=1).closed


def test_a_caller_that_receives_no_connection_in_time_gets_an_error(database: str) -> None:
    """Without it, a process whose threads all wait for the database would stop responding."""
    with (
        pool(database, "console", size=1) as connections,
        connections.connection(),
        pytest.raises(PoolTimeout),
        connections.connection(timeout=0.05),
    ):
        pass


def test_a_process_connects_again_after_its_primary_has_become_a_standby(database: str) -> None:
    """A standby keeps its connections and refuses to write, while the address may lead to the new primary by now."""
    with psycopg.connect(database, autocommit=True) as other, closing(DatabaseSession(database, "test")) as session:
        other.execute("create table written (n integer)")
        name = sql.Identifier(other.info.dbname)
        other.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(name))
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), session.transaction() as connection:
            connection.execute("insert into written values (1)")
        other.execute(sql.SQL("alter database {} reset default_transaction_read_only").format(name))
        with session.transaction() as connection:
            connection.execute("insert into written values (2)")
        assert [(2,)] == other.execute("select n from written").fetchall()
