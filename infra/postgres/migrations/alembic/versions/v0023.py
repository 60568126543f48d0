"""An index of the facts that wait for a conversation. The statements are in the SQL file of the same name."""

from infra.postgres.migrations import execute

revision = "0023_list_order"
down_revision = "0022_waiting_facts"


def upgrade() -> None:
    execute(revision)
