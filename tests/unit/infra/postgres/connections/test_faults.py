"""What a database error means for a batch (architecture.md, P4)."""

import psycopg
import pytest
from psycopg import errors

from infra.postgres.connections.faults import Fault, fault


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errors.CharacterNotInRepertoire, "poison"),
        (errors.UniqueViolation, "poison"),
        (errors.ProgramLimitExceeded, "poison"),  # an id too long for its index
        (errors.DeadlockDetected, "transient"),
        (errors.ReadOnlySqlTransaction, "transient"),
        (errors.IdleInTransactionSessionTimeout, "transient"),  # the process was stopped in the middle of a batch
        (errors.QueryCanceled, "transient"),
        (psycopg.OperationalError, "transient"),
        (psycopg.InterfaceError, "transient"),
        (errors.UndefinedTable, "ours"),
        (errors.InFailedSqlTransaction, "ours"),
        (psycopg.ProgrammingError, "ours"),
    ],
)
def test_the_data_is_to_blame_the_moment_or_we(error: type[psycopg.Error], meaning: Fault) -> None:
    assert meaning == fault(error())
