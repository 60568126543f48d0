"""Adds the console: sign-ins, sessions, audit, search, and change hints. Its statements are in the SQL file of this
name."""

from infra.postgres.migrations import execute

revision = "0006_console"
down_revision = "0005_language"


def upgrade() -> None:
    execute(revision)
