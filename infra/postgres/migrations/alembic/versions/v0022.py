"""An index of the facts that wait for a conversation. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0022_waiting_facts"
down_revision = "0021_synonyms"


def upgrade() -> None:
    execute(revision)
