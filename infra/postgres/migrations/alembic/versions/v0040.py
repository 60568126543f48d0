"""Adds dismissed conversations, notes, tags, saved lists and viewers. Its statements are in the SQL file of this
name."""

from infra.postgres.migrations import execute

revision = "0040_panel"
down_revision = "0039_list_preferences"


def upgrade() -> None:
    execute(revision)
