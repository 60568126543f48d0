"""The console: sign-ins, sessions, what people did; words and hints. Its statements are in the file beside."""

from infra.postgres.migrations import execute

revision = "0006_console"
down_revision = "0005_language"


def upgrade() -> None:
    execute(revision)
