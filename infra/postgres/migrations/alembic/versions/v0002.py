"""Commands and routing; its statements are in the file of this name beside."""

from infra.postgres.migrations import execute

revision = "0002_commands"
down_revision = "0001_conversations"


def upgrade() -> None:
    execute(revision)
