"""Other words for the choices of a menu. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0021_synonyms"
down_revision = "0020_message_changes"


def upgrade() -> None:
    execute(revision)
