"""Workers that take their work from the database, while it is away (consumers/workers/worker_loop.py)."""

from threading import Event as Flag

import psycopg
import pytest
from prometheus_client import REGISTRY

from consumers.workers.worker_loop import WorkerLoop
from infra.kafka.consumer import BrokerUnreachable
from infra.process.backoff import GIVE_UP_SECONDS


class Work:
    """Runs that raise these errors one after the other, then stop. Each takes `seconds`, by the loop's clock."""

    def __init__(self, *errors: Exception, seconds: float = 0.0) -> None:
        self.seconds = 0.0
        self.loop = WorkerLoop("work", self, clock=lambda: self.seconds)
        self._each = seconds
        self.troubles: list[str | None] = []
        self._errors = list(errors)

    def __call__(self, stop: Flag) -> float:
        self.troubles.append(self.loop.not_ready_reason())
        self.seconds += self._each
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


class NeverWaits(Flag):
    """A flag for a loop that does not wait."""

    def wait(self, timeout: float | None = None) -> bool:
        """Returns at once."""
        return self.is_set()


@pytest.mark.parametrize("error", [psycopg.OperationalError(), psycopg.errors.QueryCanceled(), BrokerUnreachable()])
def test_a_worker_that_has_failed_for_ten_minutes_ends_and_counts_each_failure(error: Exception) -> None:
    """Its supervisor starts another one, which reads its settings again."""
    before = failed()
    work = Work(*[error] * 100, seconds=60)
    with pytest.raises(type(error)):
        work.loop.run(NeverWaits())
    assert GIVE_UP_SECONDS + 120 == work.seconds
    assert work.seconds / 60 == failed() - before


def test_a_success_in_between_starts_the_ten_minutes_again() -> None:
    """Long work also succeeds before its end, when it has reached the database."""
    work = Work(*[psycopg.OperationalError()] * 100, seconds=60)

    class Succeeding(NeverWaits):
        def wait(self, timeout: float | None = None) -> bool:
            if work.seconds % 300 == 0:
                work.loop.reached()
            return super().wait(timeout)

    work.loop.run(Succeeding())
    assert 101 == len(work.troubles)


def failed() -> float:
    return REGISTRY.get_sample_value("witiop_worker_failed_total", {"worker": "work"}) or 0.0


def test_a_long_run_reports_that_the_database_is_reachable_before_it_ends() -> None:
    work = Work()
    work.loop.reached()
    work.loop.run(Flag())
    assert [None] == work.troubles
