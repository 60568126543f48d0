"""Whether all rules are stopped. A stop is noted in the audit log, and an alarm is open until they act again. Raises
psycopg errors."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from domain.alarms.kinds import AlarmKind
from infra.postgres.alarms.alarms import AlarmToRaise, end_alarm, raise_alarm
from infra.postgres.console import audit
from infra.postgres.console.audit import AuditEntry


class RuleStop(NamedTuple):
    """Since when and by whom all rules are stopped."""

    at: datetime
    by: str


def stopped(connection: Connection[Any]) -> RuleStop | None:
    """Returns who stopped all rules; None: they act."""
    found = connection.execute("select stopped_at, stopped_by from rule_switch").fetchone()
    return RuleStop(*found) if found is not None and found[0] is not None else None


def stop(connection: Connection[Any], by: str, address: str | None = None) -> bool:
    """Stops all rules; returns whether they acted until now. A rule that is acting ends its transaction first.
    `address`: of the browser; None: the command line."""
    with connection.transaction():
        changed = connection.execute(
            "update rule_switch set stopped_at = clock_timestamp(), stopped_by = %s where stopped_at is null "
            "returning stopped_at",
            [by],
        ).fetchone()
        if changed is None:
            return False
        raise_alarm(connection, AlarmToRaise(AlarmKind.RULES_STOPPED, "", {"by": by}, None, changed[0]))
        audit.write(connection, [AuditEntry("rules_stopped", by, address)])
    return True


def start(connection: Connection[Any], by: str, address: str | None = None) -> bool:
    """Lets rules act again; returns whether they were stopped. `address`: as for `stop`."""
    with connection.transaction():
        changed = connection.execute(
            "update rule_switch set stopped_at = null, stopped_by = null where stopped_at is not null "
            "returning clock_timestamp()"
        ).fetchone()
        if changed is None:
            return False
        end_alarm(connection, AlarmKind.RULES_STOPPED, "", changed[0])
        audit.write(connection, [AuditEntry("rules_started", by, address)])
    return True


def acting(connection: Connection[Any]) -> bool:
    """Returns whether rules may act, and until the transaction ends keeps them from being stopped, and other processes
    from acting: together they keep within the limit of a minute."""
    return connection.execute("select from rule_switch where stopped_at is null for update").fetchone() is not None
