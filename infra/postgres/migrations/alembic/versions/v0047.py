"""Divides entries and history by month. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0047_months"
down_revision = "0046_skillset_words"


def upgrade() -> None:
    execute(revision)
