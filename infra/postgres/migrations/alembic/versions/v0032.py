"""Adds the texts that a number sends by itself. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0032_number_texts"
down_revision = "0031_reports"


def upgrade() -> None:
    execute(revision)
