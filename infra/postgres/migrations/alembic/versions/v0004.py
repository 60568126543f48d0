"""Lists of what waits, is offered or is managed; its statements are in the file of this name beside."""

from infra.postgres.migrations import execute

revision = "0004_desk"
down_revision = "0003_mails"


def upgrade() -> None:
    execute(revision)
