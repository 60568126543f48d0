"""Adds sending to WhatsApp. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0024_sending"
down_revision = "0023_list_order"


def upgrade() -> None:
    execute(revision)
