"""Acceptances are no human interaction any more. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0014_words_to_the_customer"
down_revision = "0013_presence_order"


def upgrade() -> None:
    execute(revision)
