"""Adds what a person chose for the list. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0039_list_preferences"
down_revision = "0038_alarms"


def upgrade() -> None:
    execute(revision)
