"""Whether all rules are stopped. Raises psycopg errors."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection


class RuleStop(NamedTuple):
    """Since when and by whom all rules are stopped."""

    at: datetime
    by: str


def stopped(connection: Connection[Any]) -> RuleStop | None:
    """Returns who stopped all rules; None: they act."""
    found = connection.execute("select stopped_at, stopped_by from rule_switch").fetchone()
    return RuleStop(*found) if found is not None and found[0] is not None else None


def stop(connection: Connection[Any], by: str) -> bool:
    """Stops all rules; returns whether they acted until now. A rule that is acting ends its transaction first."""
    changed = connection.execute(
        "update rule_switch set stopped_at = clock_timestamp(), stopped_by = %s where stopped_at is null", [by]
    )
    return changed.rowcount == 1


def start(connection: Connection[Any]) -> bool:
    """Lets rules act again; returns whether they were stopped."""
    changed = connection.execute(
        "update rule_switch set stopped_at = null, stopped_by = null where stopped_at is not null"
    )
    return changed.rowcount == 1


def acting(connection: Connection[Any]) -> bool:
    """Returns whether rules may act, and keeps them from being stopped until the transaction ends."""
    return connection.execute("select from rule_switch where stopped_at is null for share").fetchone() is not None
