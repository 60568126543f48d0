"""Adds transfers on reply. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0026_wishes"
down_revision = "0025_unknown_sends"


def upgrade() -> None:
    execute(revision)
