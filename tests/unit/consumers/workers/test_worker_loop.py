"""Workers that take their work from the database, while it is away (consumers/workers/worker_loop.py)."""

from threading import Event as Flag

import psycopg
import pytest

from consumers.workers.worker_loop import WorkerLoop


class Work:
    """Rounds that raise these one after the other, then stop."""

    def __init__(self, *errors: psycopg.Error) -> None:
        self.rounds = WorkerLoop("work", self)
        self.troubles: list[str | None] = []
        self._errors = list(errors)

    def __call__(self, stop: Flag) -> float:
        self.troubles.append(self.rounds.not_ready_reason())
        if self._errors:
            raise self._errors.pop(0)
        stop.set()
        return 0.0


def test_while_the_database_is_away_a_worker_is_not_ready_and_goes_on_when_it_is_back() -> None:
    work = Work(psycopg.OperationalError())
    work.rounds.run(Flag())
    assert ["has not reached the database yet", "database unreachable (OperationalError)"] == work.troubles
    assert None is work.rounds.not_ready_reason()


def test_a_defect_of_ours_ends_a_worker() -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        Work(psycopg.errors.UndefinedTable()).rounds.run(Flag())


def test_a_long_round_says_that_the_database_answers_before_it_ends() -> None:
    work = Work()
    work.rounds.reached()
    work.rounds.run(Flag())
    assert [None] == work.troubles
