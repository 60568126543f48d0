"""Adds the index by which a conversation finds the template that its customer answered. Its statements are in the SQL
file of this name."""

from infra.postgres.migrations import execute

revision = "0034_answered_templates"
down_revision = "0033_desk_choices"


def upgrade() -> None:
    execute(revision)
