"""Adds what Meta reports about customers, templates, numbers and accounts. Its statements are in the SQL file of this
name."""

from infra.postgres.migrations import execute

revision = "0031_reports"
down_revision = "0030_hints_of_changes_only"


def upgrade() -> None:
    execute(revision)
