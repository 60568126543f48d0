"""Hints are sent only for rows that changed. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0030_hints_of_changes_only"
down_revision = "0029_desk"


def upgrade() -> None:
    execute(revision)
