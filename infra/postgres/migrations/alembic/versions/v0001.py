"""Creates the first schema. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0001_conversations"
down_revision = None


def upgrade() -> None:
    execute(revision)
