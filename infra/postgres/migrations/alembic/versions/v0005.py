"""Adds the language of a number. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0005_language"
down_revision = "0004_desk"


def upgrade() -> None:
    execute(revision)
