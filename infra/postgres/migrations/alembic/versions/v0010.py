"""The order of arrival of entries. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0010_arrival"
down_revision = "0009_command_results"


def upgrade() -> None:
    execute(revision)
