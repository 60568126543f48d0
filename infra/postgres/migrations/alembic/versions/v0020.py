"""Edits, deletions and groups of customers. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0020_message_changes"
down_revision = "0019_search"


def upgrade() -> None:
    execute(revision)
