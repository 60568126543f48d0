"""Adds what agents choose from on their page. Its statements are in the SQL file of this name."""

from infra.postgres.migrations import execute

revision = "0033_desk_choices"
down_revision = "0032_number_texts"


def upgrade() -> None:
    execute(revision)
