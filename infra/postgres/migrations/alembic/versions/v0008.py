"""Whoever has a conversation open hears what becomes of its messages. Its statements are in the file beside."""

from infra.postgres.migrations import execute

revision = "0008_statuses_are_hints"
down_revision = "0007_commands_again"


def upgrade() -> None:
    execute(revision)
