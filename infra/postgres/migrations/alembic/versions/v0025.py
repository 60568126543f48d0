"""Adds what settles unknown sends. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0025_unknown_sends"
down_revision = "0024_sending"


def upgrade() -> None:
    execute(revision)
