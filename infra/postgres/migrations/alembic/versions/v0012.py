"""Records that wait for their conversations. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0012_early_records"
down_revision = "0011_old_tries"


def upgrade() -> None:
    execute(revision)
