"""Database errors are classified by what they mean for a batch (architecture.md, P4)."""

from collections.abc import Iterator

import psycopg
import psycopg_pool
import pytest
from psycopg import errors

from infra.postgres.connections.faults import BY_CLASS, BY_STATE, BY_TYPE, Fault, database_answers, fault, may_pass


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errors.CharacterNotInRepertoire, "poison"),
        (errors.UniqueViolation, "poison"),
        (errors.ProgramLimitExceeded, "poison"),  # e.g. an id that is too long for its index
        (psycopg.DataError, "poison"),  # e.g. NUL in a text: the driver refuses to send it
        (errors.DeadlockDetected, "transient"),
        (errors.ReadOnlySqlTransaction, "transient"),
        (errors.InvalidPassword, "transient"),
        (errors.InvalidCatalogName, "transient"),  # the database is being restored
        (psycopg.OperationalError, "transient"),
        (psycopg.InterfaceError, "transient"),
        (psycopg_pool.PoolTimeout, "transient"),
        (errors.IdleInTransactionSessionTimeout, "slow"),  # e.g. the process was stopped during a batch
        (errors.QueryCanceled, "slow"),
        (errors.UndefinedTable, "ours"),
        (errors.InFailedSqlTransaction, "ours"),
        (psycopg.ProgrammingError, "ours"),
    ],
)
def test_an_error_is_caused_by_the_data_by_the_moment_or_by_a_defect(
    error: type[psycopg.Error], meaning: Fault
) -> None:
    assert meaning == fault(error())
    assert may_pass(error()) == (meaning in ("transient", "slow"))


@pytest.mark.parametrize(
    ("error", "answers"),
    [
        (errors.QueryCanceled, True),
        (errors.DeadlockDetected, True),
        (errors.LockNotAvailable, True),
        (errors.AdminShutdown, False),
        (errors.DiskFull, False),
        (psycopg.OperationalError, False),
    ],
)
def test_other_work_goes_on_where_only_this_work_failed(error: type[psycopg.Error], answers: bool) -> None:
    assert answers == database_answers(error())


def kinds(kind: type[psycopg.Error] = psycopg.Error) -> Iterator[type[psycopg.Error]]:
    yield kind
    for each in kind.__subclasses__():
        yield from kinds(each)


def test_every_error_that_the_driver_knows_is_classified() -> None:
    """A new version of psycopg may bring new ones: somebody has to decide what they mean."""
    every = set(kinds())
    states = {state for kind in every if (state := kind.sqlstate)}
    assert set(BY_CLASS) == {state[:2] for state in states}
    assert set(BY_STATE) <= states
    for kind in every:
        if kind.sqlstate is None:
            assert any(base in BY_TYPE for base in kind.__mro__)
    assert set(BY_TYPE) == {kind for kind in every if kind.__module__ == "psycopg" and kind.sqlstate is None}
