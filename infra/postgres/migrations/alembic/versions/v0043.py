"""Adds versions of the directory. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0043_directory_versions"
down_revision = "0042_people"


def upgrade() -> None:
    execute(revision)
