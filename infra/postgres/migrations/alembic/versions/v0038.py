"""Adds alarms. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0038_alarms"
down_revision = "0037_rules"


def upgrade() -> None:
    execute(revision)
