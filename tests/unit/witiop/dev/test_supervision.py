"""A part that dies is started again after a pause; what it logs is shown so that people can read it."""

import pytest

from infra.local.errors import LocalServerError
from witiop.dev.supervision import Supervisor, readable


class FakePart:
    """A part that dies when it is told to."""

    def __init__(self) -> None:
        self.pid: int | None = 1
        self.refuses: str | None = None

    def die(self) -> None:
        self.pid = None

    def launch(self) -> None:
        if self.refuses is not None:
            raise LocalServerError(self.refuses)
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


def test_a_part_that_died_runs_again_after_half_a_second(
    supervisor: Supervisor, part: FakePart, clock: FakeClock, said: list[str]
) -> None:
    part.die()
    supervisor.look_after()
    clock.now += 0.4
    supervisor.look_after()
    assert supervisor.pids() == {}
    clock.now += 0.2
    supervisor.look_after()
    assert supervisor.pids() == {"relay": [2]}
    assert said == ["relay ended: killed by SIGKILL; starting it again in 0.5 s"]


def test_the_pauses_of_a_part_that_dies_again_and_again_double_up_to_a_quarter_of_a_minute(
    supervisor: Supervisor, part: FakePart, clock: FakeClock, said: list[str]
) -> None:
    for pause in (0.5, 1, 2, 4, 8, 15, 15):
        part.die()
        supervisor.look_after()
        clock.now += pause
        supervisor.look_after()
        assert part.pid == 2
    assert [line.rpartition(" in ")[2] for line in said] == ["0.5 s", "1 s", "2 s", "4 s", "8 s", "15 s", "15 s"]


def test_after_running_steadily_the_pause_is_short_again(
    supervisor: Supervisor, part: FakePart, clock: FakeClock, said: list[str]
) -> None:
    for seconds in (1.0, 11.0):
        clock.now += seconds
        part.die()
        supervisor.look_after()
        clock.now += 0.5
        supervisor.look_after()
    assert [line.rpartition(" in ")[2] for line in said] == ["0.5 s", "0.5 s"]


def test_a_start_that_is_refused_is_tried_again_and_its_reason_is_told(
    supervisor: Supervisor, part: FakePart, clock: FakeClock, said: list[str]
) -> None:
    part.die()
    supervisor.look_after()
    part.refuses = "the disk is full"
    clock.now += 0.5
    supervisor.look_after()
    part.refuses = None
    clock.now += 1
    supervisor.look_after()
    assert part.pid == 2
    assert said[1] == "relay ended: the disk is full; starting it again in 1 s"


def test_a_part_that_died_three_times_while_the_stack_starts_stops_the_start(
    supervisor: Supervisor, part: FakePart, clock: FakeClock
) -> None:
    for _ in range(2):
        part.die()
        supervisor.look_after()
        clock.now += 2
        supervisor.look_after()
        supervisor.require_started("relay")
    part.die()
    supervisor.look_after()
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
def test_an_event_of_a_log_is_shown_as_its_time_level_name_and_fields(line: str, shown: str) -> None:
    assert readable(line) == shown
