"""Every table has its place among the privileges of the database roles."""

import re

from infra.postgres.roles import PRIVILEGES
from tests.support.paths import ROOT

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
