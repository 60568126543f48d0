"""Every table has its place among the privileges of the database roles, and every process among those who may use the
brokers."""

import re

from domain.topics import Topics
from infra.kafka.access.privileges import ACCESS, KAFKA_PROCESSES, grants
from infra.postgres.roles import PRIVILEGES, ROLE_PROCESSES
from tests.support.paths import ROOT
from witiop.wiring.processes import PROCESSES

_ONLY_OWNER = {"alembic_version", "erasure_key"}
"""Tables that no process may use; functions of the owner read the key of the marks."""


def test_every_table_is_known_to_the_roles() -> None:
    """A process may only use tables that `infra.postgres.roles.PRIVILEGES` names for it: add a new table there."""
    migrations = sorted((ROOT / "infra" / "postgres" / "migrations").glob("*.sql"))
    made = {
        table
        for file in migrations
        for table in re.findall(r"^create (?:unlogged )?table (\w+)", file.read_text(), re.MULTILINE)
    }
    dropped = {
        table for file in migrations for table in re.findall(r"^drop table (\w+)", file.read_text(), re.MULTILINE)
    }
    named = {table for privileges in PRIVILEGES.values() for table in privileges}
    assert made - dropped - _ONLY_OWNER == named


def test_every_process_has_its_line_among_those_who_may_use_the_database_and_the_brokers() -> None:
    """A new process gets a role and a line of its own: `infra.postgres.roles` and `infra.kafka.access.privileges`."""
    assert set(PROCESSES) - {"webhook"} == set(ROLE_PROCESSES)
    assert set(PROCESSES) == set(ACCESS)


def test_no_process_reads_and_writes_the_same_topic() -> None:
    """What a process can write it cannot read, so one that is taken over cannot pass off its own words as those of
    another."""
    for process in KAFKA_PROCESSES:
        mine = {
            name: {each.operation for each in grants(process, Topics()) if each.name == name} for name in Topics().all
        }
        assert {name: held for name, held in mine.items() if {"read", "write"} <= held} == {}


def test_the_page_about_security_has_the_table_of_the_brokers() -> None:
    """docs/security.md says for each process what it may do."""
    page = (ROOT / "docs" / "security.md").read_text()
    for process, access in ACCESS.items():
        groups = [f"{each} (join)" for each in access.joins] + [f"{each} (see)" for each in access.sees_groups]
        cells = (access.reads, access.writes, access.sees, groups, access.trims)
        assert f"| `{process}` | {' | '.join(', '.join(each) for each in cells)} |" in page
