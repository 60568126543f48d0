"""Adds the words of all messages. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0044_words"
down_revision = "0043_directory_versions"


def upgrade() -> None:
    execute(revision)
