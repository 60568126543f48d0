"""The words of a search. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0019_search"
down_revision = "0018_restores"


def upgrade() -> None:
    execute(revision)
