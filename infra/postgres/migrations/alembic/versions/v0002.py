"""Adds commands, and presence for routing. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0002_commands"
down_revision = "0001_conversations"


def upgrade() -> None:
    execute(revision)
