"""The processes that `witiop dev` starts, with their commands."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class DevProgram:
    """A program of the stack. `monitor` is the port of its /readyz, if it has one, counted from the first port."""

    name: str
    argv: tuple[str, ...]
    monitor: int | None = None


def _witiop(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "witiop", *arguments)


# "-" selects the environment: without it they would choose a stack that is running in the working directory.
MIGRATE, TOPICS = (DevProgram(name, _witiop(name, "--stack", "-")) for name in ("migrate", "topics"))
PROCESSES = tuple(
    DevProgram(name, _witiop("run", name), monitor)
    for name, monitor in (
        ("webhook", 10),
        ("conversations", 11),
        ("timer", 12),
        ("relay", 13),
        ("commands", 14),
        ("routing", 16),
        ("mails", 15),
        ("console", 17),
    )
)
SIMULATOR = DevProgram("simulator", _witiop("simulate", "story"))
DESK = DevProgram("desk", _witiop("simulate", "desk"))
