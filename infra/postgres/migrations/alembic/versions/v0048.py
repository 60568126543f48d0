"""Adds retention and erasure. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0048_retention"
down_revision = "0047_months"


def upgrade() -> None:
    execute(revision)
