"""Adds the order of the list that a person chose. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0023_list_order"
down_revision = "0022_waiting_facts"


def upgrade() -> None:
    execute(revision)
