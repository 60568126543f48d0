"""What is held after a restore. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0018_restores"
down_revision = "0017_positions"


def upgrade() -> None:
    execute(revision)
