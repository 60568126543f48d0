"""Adds what people of the console need. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0042_people"
down_revision = "0041_statistics"


def upgrade() -> None:
    execute(revision)
