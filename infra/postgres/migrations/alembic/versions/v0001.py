"""The first schema; its statements are in the file of this name beside."""

from infra.postgres.migrations import execute

revision = "0001_conversations"
down_revision = None


def upgrade() -> None:
    execute(revision)
