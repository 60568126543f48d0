"""How fast the machine is at the moment, and what each part of a stack costs. Other programs may be busy beside a
measurement: a fixed piece of work says how much that matters."""

import json
from collections.abc import Mapping
from statistics import median
from time import monotonic, perf_counter

import psutil

from tests.support.process_tree import tree
from witiop.dev.stack_file import Stack

_DOCUMENT = {str(number): [number, f"text {number}", {"inner": [number] * 5}] for number in range(100)}
_ROUNDS = 300


def bare_loop_ms() -> float:
    """Returns the milliseconds that it takes to write and read a document of JSON, the median of many times."""
    times = []
    for _ in range(_ROUNDS):
        began = perf_counter()
        json.loads(json.dumps(_DOCUMENT))
        times.append(perf_counter() - began)
    return median(times) * 1000


class ProcessorTime:
    """The processor time of each part of a stack from now on, with its children, also those that have ended."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._began = monotonic()
        self._before = self._seconds()

    def seconds(self) -> Mapping[str, float]:
        """Returns the seconds so far, the greatest first."""
        after = self._seconds()
        return dict(sorted(((name, after[name] - spent) for name, spent in self._before.items()), key=lambda x: -x[1]))

    def shares(self) -> Mapping[str, float]:
        """Returns the shares of one core so far, the greatest first."""
        seconds, elapsed = self.seconds(), monotonic() - self._began
        return {name: spent / elapsed for name, spent in seconds.items()}

    def _seconds(self) -> dict[str, float]:
        return {name: sum(map(_tree_seconds, pids)) for name, pids in self._stack.pids.items() if pids}


def _tree_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    ended: float = times.children_user + times.children_system
    return ended + sum(each.cpu_times().user + each.cpu_times().system for each in tree(pid))
