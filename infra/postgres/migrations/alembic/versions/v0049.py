"""Adds what was seen while an installation is set up. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0049_setup"
down_revision = "0048_retention"


def upgrade() -> None:
    execute(revision)
