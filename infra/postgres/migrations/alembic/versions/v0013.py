"""Presence by clocks that run ahead: a column for its order. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0013_presence_order"
down_revision = "0012_early_records"


def upgrade() -> None:
    execute(revision)
