"""Adds files of messages. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0027_media"
down_revision = "0026_wishes"


def upgrade() -> None:
    execute(revision)
