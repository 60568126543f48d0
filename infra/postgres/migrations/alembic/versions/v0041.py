"""Adds numbers about conversations. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0041_statistics"
down_revision = "0040_panel"


def upgrade() -> None:
    execute(revision)
