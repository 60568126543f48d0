"""Each process has a role that may do what its work needs, and nothing else."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from infra.postgres.roles import PRIVILEGES, ROLE_PROCESSES, RoleChanges, RoleProcess, provide, role_of
from tests.support.databases import Databases

PASSWORD = "a password"
ACTIONS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@pytest.fixture(scope="module")
def dsn(databases: Databases) -> Iterator[str]:
    """A database whose roles have passwords."""
    made = databases.create()
    with psycopg.connect(made, autocommit=True) as connection:
        provide(connection, dict.fromkeys(ROLE_PROCESSES, PASSWORD))
    yield made
    databases.drop(made)


def as_role(dsn: str, process: str) -> psycopg.Connection[Any]:
    role = role_of(process, str(conninfo_to_dict(dsn)["dbname"]))
    return psycopg.connect(make_conninfo(dsn, user=role, password=PASSWORD), autocommit=True)


@pytest.mark.parametrize("process", ROLE_PROCESSES)
def test_a_role_has_exactly_its_privileges_on_every_table(dsn: str, process: RoleProcess) -> None:
    with as_role(dsn, process) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        for (table,) in tables:
            words = dict(re.findall(r"(\w+)(?: \(([^)]*)\))?", PRIVILEGES[process].get(table, "")))
            for action in ACTIONS:
                whole = connection.execute("select has_table_privilege(%s, %s)", (table, action)).fetchone()
                assert (table, action, (words.get(action.lower()) == "",)) == (table, action, whole)


TRIES = [
    ("console", "delete from sign_ins"),
    ("console", "update conversations set unmanaged = false"),
    ("console", "insert into outbox (topic, key, headers, value) values ('t', 'k', '{}', '')"),
    ("console", "delete from console_audit"),
    ("console", "select * from set_aside"),
    ("relay", "select * from conversations"),
    ("relay", "select * from sign_ins"),
    ("relay", "insert into outbox (topic, key, headers, value) values ('t', 'k', '{}', '')"),
    ("mails", "insert into mails default values"),
    ("mails", "select * from sign_ins"),
    ("timer", "select * from mails"),
    ("timer", "delete from conversations"),
    ("routing", "update users set level = 'tenant_administrator'"),
    ("routing", "select * from mails"),
    ("commands", "update command_audit set outcome = 'applied'"),
    ("commands", "update directory_versions set author = 'somebody else'"),
    ("commands", "insert into directory_drafts default values"),
    ("console", "update users set email = 'me@example.com'"),
    ("console", "update directory_version set version = 0"),
    ("console", "insert into directory_versions default values"),
    ("console", "update directory_drafts set text = ''"),
    ("conversations", "select * from console_sessions"),
    ("conversations", "insert into users default values"),
    ("conversations", "update directory_version set version = 0"),
    ("sender", "select * from entries"),
    ("sender", "select * from sign_ins"),
    ("sender", "update conversations set unmanaged = false"),
    ("sender", "insert into campaigns default values"),
    ("media", "select * from conversations"),
    ("media", "select * from entries"),
    ("media", "delete from media"),
    ("campaigns", "select * from entries"),
    ("campaigns", "insert into opt_outs default values"),
    ("campaigns", "delete from campaign_log"),
    ("rules", "update conversations set unmanaged = false"),
    ("rules", "insert into commands default values"),
    ("rules", "select * from sign_ins"),
    ("alarms", "select password from sign_ins"),
    ("alarms", "select value from outbox"),
    ("alarms", "select * from entries"),
    ("analytics", "update conversations set unmanaged = false"),
    ("analytics", "insert into outbox (topic, key, headers, value) values ('t', 'k', '{}', '')"),
    ("analytics", "select * from sign_ins"),
    ("retention", "update users set level = 'tenant_administrator'"),
    ("retention", "select * from console_sessions"),
    ("retention", "update sign_ins set level = 'tenant_administrator'"),
]
"""What somebody would try who has taken over a process."""


@pytest.mark.parametrize(("process", "statement"), TRIES)
def test_a_process_cannot_do_what_is_not_its_work(dsn: str, process: str, statement: str) -> None:
    with as_role(dsn, process) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement.encode())


def test_something_is_tried_with_every_role() -> None:
    assert set(ROLE_PROCESSES) == {process for process, _ in TRIES}


@pytest.mark.parametrize("process", ROLE_PROCESSES)
def test_no_role_can_change_the_schema_or_other_roles(dsn: str, process: str) -> None:
    with as_role(dsn, process) as connection:
        (superuser, creates, makes_roles) = connection.execute(
            "select rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = current_user"
        ).fetchone() or (True, True, True)
        assert [False] * 3 == [superuser, creates, makes_roles]
        for statement in (
            "create table mine (n integer)",
            "create temporary table mine (n integer)",
            "drop table outbox",
            "alter table outbox add n integer",
        ):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement.encode())


def test_giving_the_privileges_again_takes_back_what_was_added_by_hand(dsn: str) -> None:
    database = str(conninfo_to_dict(dsn)["dbname"])
    relay = Identifier(role_of("relay", database))
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(SQL("grant all on sign_ins to {}").format(relay))
        owner.execute(SQL("grant update (name) on users to {}").format(relay))
        assert RoleChanges([], []) == provide(owner)
    with as_role(dsn, "relay") as connection:  # its password is still the same
        for statement in ("select * from sign_ins", "update users set name = ''"):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement.encode())


def test_an_owner_who_may_not_create_roles_is_told_which_are_missing(databases: Databases) -> None:
    dsn = databases.create()
    database = str(conninfo_to_dict(dsn)["dbname"])
    owner = Identifier(f"{database}_owner")
    with psycopg.connect(dsn, autocommit=True) as superuser:
        superuser.execute(SQL("create role {} login password 'a password'").format(owner))
        superuser.execute(SQL("grant all on all tables in schema public to {} with grant option").format(owner))
        superuser.execute(SQL("create role {}").format(Identifier(role_of("relay", database))))
    with as_role(dsn, "owner") as connection:
        missing = [role_of(process, database) for process in ROLE_PROCESSES if process != "relay"]
        assert RoleChanges([], missing) == provide(connection)
        readable = connection.execute(
            "select has_table_privilege(%s, 'outbox', 'DELETE')", [role_of("relay", database)]
        ).fetchone()
        assert (True,) == readable
    databases.drop(dsn)
