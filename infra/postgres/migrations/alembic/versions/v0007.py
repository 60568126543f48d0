"""What mails, agents and commands have to remember besides. Its statements are in the file beside."""

from infra.postgres.migrations import execute

revision = "0007_commands_again"
down_revision = "0006_console"


def upgrade() -> None:
    execute(revision)
