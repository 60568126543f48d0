"""Adds columns to mails, agents' presence and commands. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0007_commands_again"
down_revision = "0006_console"


def upgrade() -> None:
    execute(revision)
