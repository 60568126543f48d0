"""Adds campaigns. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0036_campaigns"
down_revision = "0035_pacing"


def upgrade() -> None:
    execute(revision)
