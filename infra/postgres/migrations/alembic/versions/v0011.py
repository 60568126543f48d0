"""The oldest counts of sign-in attempts are found by an index. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0011_old_tries"
down_revision = "0010_arrival"


def upgrade() -> None:
    execute(revision)
