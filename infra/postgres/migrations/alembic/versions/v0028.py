"""Adds releases and waits for a reply. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0028_releases"
down_revision = "0027_media"


def upgrade() -> None:
    execute(revision)
