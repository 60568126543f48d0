"""Errors end commands with an exit code, a line for people and a reason for programs."""

import errno

import psycopg
import pytest
from kafka.errors import KafkaConnectionError
from psycopg_pool import PoolTimeout

from infra.kafka.consumer import BrokerUnreachable
from infra.local.errors import LocalServerError, NotReachableError
from witiop.exit_codes import CommandFailed, NotReachable, SettingsError, ending


@pytest.mark.parametrize(
    ("error", "code", "reason", "line"),
    [
        (CommandFailed("there is no conversation 7", "conversation_unknown"), 1, "conversation_unknown", "there is no"),
        (SettingsError("WITIOP_X is missing: x"), 2, "wrong_settings", "WITIOP_X is missing"),
        (NotReachable("the webhook does not answer"), 3, "not_reachable", "the webhook"),
        (psycopg.OperationalError("no server\n\thint"), 3, "postgres_not_reachable", "PostgreSQL: no server"),
        (PoolTimeout("no connection"), 3, "postgres_not_reachable", "PostgreSQL: no connection"),
        (psycopg.errors.UndefinedTable('no "outbox"'), 1, "not_migrated", "the schema is not up to date"),
        (psycopg.errors.UndefinedFunction("no f()"), 1, "not_migrated", "the schema is not up to date"),
        (psycopg.errors.InsufficientPrivilege("denied"), 1, "not_allowed", "PostgreSQL: denied: use the owner"),
        (psycopg.errors.ReadOnlySqlTransaction("no"), 1, "database_read_only", "PostgreSQL: no: point WITIOP_POSTG"),
        (KafkaConnectionError("gone"), 3, "kafka_not_reachable", "Kafka: "),
        (BrokerUnreachable("gone"), 3, "kafka_not_reachable", "Kafka: gone"),
        (LocalServerError("port 8400 is taken"), 1, "failed", "port 8400 is taken"),
        (NotReachableError("no network"), 3, "not_reachable", "no network"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x/y.zip"), 1, "file_failed", "/x/y.zip: No such file"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "file_failed", "No space left on device"),
        (
            UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"),
            2,
            "not_utf_8",
            "an argument, a setting",
        ),
        (ZeroDivisionError("by zero"), 1, "unexpected", "unexpected ZeroDivisionError: by zero"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_every_error_has_its_ending(error: Exception, code: int, reason: str, line: str) -> None:
    """1 refused or failed, 2 wrong usage, 3 not reachable; always a single line, however long the driver's message."""
    found = ending(error)

    assert (found.code, found.reason) == (code, reason)
    assert found.line.startswith(line)
    assert "\n" not in found.line
