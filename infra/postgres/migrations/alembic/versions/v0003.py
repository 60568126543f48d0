"""Mails; its statements are in the file of this name beside."""

from infra.postgres.migrations import execute

revision = "0003_mails"
down_revision = "0002_commands"


def upgrade() -> None:
    execute(revision)
