"""The language of a number; its statement is in the file of this name beside."""

from infra.postgres.migrations import execute

revision = "0005_language"
down_revision = "0004_desk"


def upgrade() -> None:
    execute(revision)
