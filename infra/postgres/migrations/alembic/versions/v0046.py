"""Adds the words of skillsets. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0046_skillset_words"
down_revision = "0044_words"


def upgrade() -> None:
    execute(revision)
