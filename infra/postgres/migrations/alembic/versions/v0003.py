"""Adds mails. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0003_mails"
down_revision = "0002_commands"


def upgrade() -> None:
    execute(revision)
