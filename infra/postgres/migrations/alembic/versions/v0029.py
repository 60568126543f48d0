"""Adds the agents' page. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0029_desk"
down_revision = "0028_releases"


def upgrade() -> None:
    execute(revision)
