"""What mails and agents have to remember beside their state. Its statements are in the file beside."""

from infra.postgres.migrations import execute

revision = "0007_commands_again"
down_revision = "0006_console"


def upgrade() -> None:
    execute(revision)
