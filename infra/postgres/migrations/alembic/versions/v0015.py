"""What workers have parked. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0015_parked"
down_revision = "0014_words_to_the_customer"


def upgrade() -> None:
    execute(revision)
