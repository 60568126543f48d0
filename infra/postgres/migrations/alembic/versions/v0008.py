"""Sends change hints for message statuses. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0008_statuses_are_hints"
down_revision = "0007_commands_again"


def upgrade() -> None:
    execute(revision)
