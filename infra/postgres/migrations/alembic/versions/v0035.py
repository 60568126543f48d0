"""Adds what limits the rate of a number. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0035_pacing"
down_revision = "0034_answered_templates"


def upgrade() -> None:
    execute(revision)
