"""Maps errors to exit codes, one-line messages for people and reasons for programs.

The exit codes are part of the interface (docs/design/interface.md): 0 done; 1 refused or failed; 2 wrong usage;
3 a required system cannot be reached.
"""

import errno
import sys
from dataclasses import dataclass

REFUSED, WRONG_USAGE, NOT_REACHABLE, INTERRUPTED = 1, 2, 3, 130

_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Errors of a file that do not name it."""


class CommandFailed(Exception):
    """A command that was refused or that failed: exit code 1. The message is for people, `reason` is for programs."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotReachable(Exception):
    """A required system did not answer: exit code 3."""


class SettingsError(Exception):
    """Missing or invalid settings: exit code 2. The message has one line per setting, without its value."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Exit code, message and reason of a failed command."""

    code: int
    line: str
    reason: str


def ending(error: Exception) -> Ending:
    """Returns the exit code, message and reason for an error.

    Drivers are looked up in `sys.modules`: a driver that was never imported cannot have raised the error, and importing
    it would take time.
    """
    line = " ".join(str(error).split("\n", 1)[0].split())
    if isinstance(error, CommandFailed):
        return Ending(REFUSED, line, error.reason)
    if isinstance(error, SettingsError):
        return Ending(WRONG_USAGE, str(error), "wrong_settings")
    if isinstance(error, NotReachable):
        return Ending(NOT_REACHABLE, line, "not_reachable")
    if (of_postgres := _of_postgres(error, line)) is not None:
        return of_postgres
    if (kafka_errors := sys.modules.get("kafka.errors")) and isinstance(error, kafka_errors.KafkaError):
        return Ending(NOT_REACHABLE, f"Kafka: {line}", "kafka_not_reachable")
    if (reader := sys.modules.get("infra.kafka.consumer")) and isinstance(error, reader.BrokerUnreachable):
        return Ending(NOT_REACHABLE, f"Kafka: {line}", "kafka_not_reachable")
    if (local := sys.modules.get("infra.local.errors")) and isinstance(error, local.LocalServerError):
        code = NOT_REACHABLE if isinstance(error, local.NotReachableError) else REFUSED
        return Ending(code, line, "not_reachable" if code == NOT_REACHABLE else "failed")
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _OF_THE_DISK):
        file = "" if error.filename is None else f"{error.filename}: "
        return Ending(REFUSED, f"{file}{error.strerror}", "file_failed")
    if isinstance(error, UnicodeEncodeError | UnicodeDecodeError) and error.encoding.startswith("utf"):
        return Ending(WRONG_USAGE, "an argument, a setting or the standard input is not UTF-8", "not_utf_8")
    return Ending(
        REFUSED, f"unexpected {type(error).__name__}: {line} (WITIOP_LOG_LEVEL=debug shows where)", "unexpected"
    )


def _of_postgres(error: Exception, line: str) -> Ending | None:
    psycopg = sys.modules.get("psycopg")
    if psycopg is None:
        return None
    errors = psycopg.errors
    if isinstance(error, psycopg.OperationalError):
        return Ending(NOT_REACHABLE, f"PostgreSQL: {line}", "postgres_not_reachable")
    if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn | errors.UndefinedFunction):
        return Ending(REFUSED, f"the schema is not up to date ({line}): run witiop migrate", "not_migrated")
    if isinstance(error, errors.InsufficientPrivilege):
        owner = "use the owner of the database (docs/runbook.md, Database roles)"
        return Ending(REFUSED, f"PostgreSQL: {line}: {owner}", "not_allowed")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        primary = "point WITIOP_POSTGRES_DSN at the primary"
        return Ending(REFUSED, f"PostgreSQL: {line}: {primary}", "database_read_only")
    return None
