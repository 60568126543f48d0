"""Periods of identities. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0016_identity_periods"
down_revision = "0015_parked"


def upgrade() -> None:
    execute(revision)
