"""Adds whether a mail has the notes, and the hours of agents. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0051_notes_and_hours"
down_revision = "0049_setup"


def upgrade() -> None:
    execute(revision)
