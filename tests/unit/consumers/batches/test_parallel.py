"""Several batch loops in one consumer process."""

import threading

import pytest

from consumers.batches.parallel import ParallelLoops
from consumers.batches.poison import PoisonPolicy


class Loop:
    """A loop that runs until it is stopped, or fails."""

    def __init__(self, fails: Exception | None = None, trouble: str | None = None) -> None:
        self.fails = fails
        self.trouble = trouble
        self.stopped = False

    def not_ready_reason(self) -> str | None:
        return self.trouble

    def run(self, stop: threading.Event) -> None:
        if self.fails is not None:
            raise self.fails
        assert stop.wait(30)
        self.stopped = True


def test_the_process_ends_when_all_of_its_loops_have() -> None:
    loops, stop = [Loop(), Loop()], threading.Event()
    process = threading.Thread(target=ParallelLoops(loops).run, args=[stop])
    process.start()
    stop.set()
    process.join(30)
    assert [True, True] == [loop.stopped for loop in loops]


def test_an_error_of_one_loop_stops_the_others_and_is_raised() -> None:
    good, bad = Loop(), Loop(fails=ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError, match="a defect"):
        ParallelLoops([good, bad]).run(threading.Event())
    assert good.stopped


def test_the_process_is_ready_only_if_every_loop_is() -> None:
    assert ParallelLoops([Loop(), Loop()]).not_ready_reason() is None
    assert "broker unreachable" == ParallelLoops([Loop(), Loop(trouble="broker unreachable")]).not_ready_reason()


def test_every_trouble_is_reported_once() -> None:
    loops = [Loop(trouble="broker unreachable"), Loop(trouble="t[1] is stopped"), Loop(trouble="broker unreachable")]
    assert "broker unreachable; t[1] is stopped" == ParallelLoops(loops).not_ready_reason()


def test_poison_of_all_loops_counts_towards_one_limit() -> None:
    policy = PoisonPolicy(per_minute=3)
    assert not policy.is_storm(3)
    threads = [threading.Thread(target=policy.count, args=[1]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not policy.is_storm(1)
    assert policy.is_storm(2)
