"""Adds rescue rules. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0037_rules"
down_revision = "0036_campaigns"


def upgrade() -> None:
    execute(revision)
