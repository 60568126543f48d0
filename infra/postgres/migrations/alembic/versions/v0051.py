"""Adds whether a mail has the notes. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0051_mail_notes"
down_revision = "0046_skillset_words"


def upgrade() -> None:
    execute(revision)
