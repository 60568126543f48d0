"""Database errors are classified by what they mean for a batch (architecture.md, P4)."""

import psycopg
import pytest
from psycopg import errors

from infra.postgres.connections.faults import Fault, fault


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errors.CharacterNotInRepertoire, "poison"),
        (errors.UniqueViolation, "poison"),
        (errors.ProgramLimitExceeded, "poison"),  # e.g. an id that is too long for its index
        (errors.DeadlockDetected, "transient"),
        (errors.ReadOnlySqlTransaction, "transient"),
        (errors.IdleInTransactionSessionTimeout, "transient"),  # e.g. the process was stopped during a batch
        (errors.QueryCanceled, "transient"),
        (psycopg.OperationalError, "transient"),
        (psycopg.InterfaceError, "transient"),
        (errors.UndefinedTable, "ours"),
        (errors.InFailedSqlTransaction, "ours"),
        (psycopg.ProgrammingError, "ours"),
    ],
)
def test_an_error_is_caused_by_the_data_by_the_moment_or_by_a_defect(
    error: type[psycopg.Error], meaning: Fault
) -> None:
    assert meaning == fault(error())
