"""Adds indexes for the lists of waiting, offered and managed conversations. Its statements are in the SQL file of this
name."""

from infra.postgres.migrations import execute

revision = "0004_desk"
down_revision = "0003_mails"


def upgrade() -> None:
    execute(revision)
