"""Positions are recognised by their records. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0017_positions"
down_revision = "0016_identity_periods"


def upgrade() -> None:
    execute(revision)
