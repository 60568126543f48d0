"""Workers that take their work from the database, while it is away (consumers/workers/worker_loop.py)."""

from threading import Event as Flag

import psycopg
import pytest

from consumers.workers.worker_loop import WorkerLoop


class Work:
    """Runs that raise these errors one after the other, then stop."""

    def __init__(self, *errors: psycopg.Error) -> None:
        self.loop = WorkerLoop("work", self)
        self.troubles: list[str | None] = []
        self._errors = list(errors)

    def __call__(self, stop: Flag) -> float:
        self.troubles.append(self.loop.not_ready_reason())
        if self._errors:
            raise self._errors.pop(0)
        stop.set()
        return 0.0


def test_a_worker_is_not_ready_while_the_database_is_unreachable_and_continues_afterwards() -> None:
    work = Work(psycopg.OperationalError())
    work.loop.run(Flag())
    assert ["has not reached the database yet", "database unreachable (OperationalError)"] == work.troubles
    assert None is work.loop.not_ready_reason()


def test_a_programming_error_ends_a_worker() -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        Work(psycopg.errors.UndefinedTable()).loop.run(Flag())


def test_a_long_run_reports_that_the_database_is_reachable_before_it_ends() -> None:
    work = Work()
    work.loop.reached()
    work.loop.run(Flag())
    assert [None] == work.troubles
