"""A part that dies is restarted after a pause, and its log is shown in a readable form."""

import pytest

from infra.local.errors import LocalServerError
from witiop.dev.supervision import Supervisor, readable


class FakePart:
    """A part that dies when a test says so."""

    def __init__(self) -> None:
        self.pid: int | None = 1
        self.launch_error: str | None = None

    def die(self) -> None:
        self.pid = None

    def launch(self) -> None:
        if self.launch_error is not None:
            raise LocalServerError(self.launch_error)
        self.pid = 2

    def last_words(self) -> str:
        return "killed by SIGKILL"

    def stop(self) -> None:
        self.pid = None


class FakeClock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def part() -> FakePart:
    return FakePart()


@pytest.fixture
def supervisor(said: list[str], clock: FakeClock, part: FakePart) -> Supervisor:
    supervisor = Supervisor(said.append, clock)
    supervisor.watch("relay", part)
    return supervisor


def test_a_dead_part_is_restarted_after_half_a_second(
    supervisor: Supervisor, part: FakePart, clock: FakeClock, said: list[str]
) -> None:
    part.die()
    supervisor.check()
    clock.now += 0.4
    supervisor.check()
    assert supervisor.pids() == {}
    clock.now += 0.2
    supervisor.check()
    assert supervisor.pids() == {"relay": [2]}
    assert said == ["relay ended: killed by SIGKILL; restarting it in 0.5 s"]


def test_the_pauses_of_a_part_that_keeps_dying_double_up_to_15_seconds(
    supervisor: Supervisor, part: FakePart, clock: FakeClock, said: list[str]
) -> None:
    for pause in (0.5, 1, 2, 4, 8, 15, 15):
        part.die()
        supervisor.check()
        clock.now += pause
        supervisor.check()
        assert part.pid == 2
    assert [line.rpartition(" in ")[2] for line in said] == ["0.5 s", "1 s", "2 s", "4 s", "8 s", "15 s", "15 s"]


def test_the_pause_is_reset_after_running_steadily(
    supervisor: Supervisor, part: FakePart, clock: FakeClock, said: list[str]
) -> None:
    for seconds in (1.0, 11.0):
        clock.now += seconds
        part.die()
        supervisor.check()
        clock.now += 0.5
        supervisor.check()
    assert [line.rpartition(" in ")[2] for line in said] == ["0.5 s", "0.5 s"]


def test_a_failed_restart_is_retried_and_its_reason_is_shown(
    supervisor: Supervisor, part: FakePart, clock: FakeClock, said: list[str]
) -> None:
    part.die()
    supervisor.check()
    part.launch_error = "the disk is full"
    clock.now += 0.5
    supervisor.check()
    part.launch_error = None
    clock.now += 1
    supervisor.check()
    assert part.pid == 2
    assert said[1] == "relay ended: the disk is full; restarting it in 1 s"


def test_a_part_that_dies_three_times_during_the_start_ends_the_start(
    supervisor: Supervisor, part: FakePart, clock: FakeClock
) -> None:
    for _ in range(2):
        part.die()
        supervisor.check()
        clock.now += 2
        supervisor.check()
        supervisor.require_started("relay")
    part.die()
    supervisor.check()
    with pytest.raises(LocalServerError, match=r"^relay does not start: killed by SIGKILL$"):
        supervisor.require_started("relay")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain text", "plain text"),
        ("[1, 2]", "[1, 2]"),
        (
            '{"event": "window.expired", "level": "info", "timestamp": "2025-01-02T03:04:05.678Z", "closed": 3}',
            "03:04:05 info    window.expired closed=3",
        ),
        ('{"event": "crashed", "exception": "Traceback\\n  here"}', "crashed\nTraceback\n  here"),
    ],
)
def test_a_log_event_is_shown_as_its_time_level_name_and_fields(line: str, shown: str) -> None:
    assert readable(line) == shown
