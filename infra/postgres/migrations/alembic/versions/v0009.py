"""Results of commands are hints too. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0009_command_results"
down_revision = "0008_statuses_are_hints"


def upgrade() -> None:
    execute(revision)
