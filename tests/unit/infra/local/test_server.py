"""A local server may die and be restarted, and leaves no processes behind."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from infra.local.errors import LocalServerError
from infra.local.guard import Guard
from infra.local.server import LocalServer
from tests.support.process_tree import still_running
from tests.support.waiting import wait_until

_PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("ready", flush=True)
time.sleep(600)
"""


class Server(LocalServer):
    """A server with a child process that does not end with it."""

    def __init__(self, directory: Path, guard: Guard | None = None, program: str = _PARENT) -> None:
        super().__init__("Server", directory, guard)
        self._program = program

    def launch(self) -> None:
        """See `LocalServer`."""
        self._spawn([sys.executable, "-c", self._program], self._directory)

    def _answers(self) -> bool:
        return "ready" in self._read_log()

    def processes(self) -> list[psutil.Process]:
        """Returns the server's process and its child."""
        process = psutil.Process(self.pid)
        return [process, *process.children()]

    def die(self) -> None:
        """Kills the server, as the kernel does when memory is short."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: self.pid is None)


def test_remaining_processes_of_a_dead_server_are_killed_before_it_is_restarted(tmp_path: Path) -> None:
    with Guard() as guard:
        server = Server(tmp_path, guard)
        server.start()
        first = server.processes()
        assert 2 == len(first)
        server.die()
        assert 1 == len(still_running(first))

        server.start()

        assert [] == still_running(first)
        assert 2 == len(still_running(server.processes()))
        assert 1 == len(guard.guarded)  # the system may have reused the first id for another process


def test_a_running_server_is_stopped_before_it_is_restarted(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        first = server.processes()

        server.start()

        assert [] == still_running(first)
        assert 2 == len(still_running(server.processes()))


def test_a_stopped_server_leaves_no_processes_and_can_be_restarted(tmp_path: Path) -> None:
    server = Server(tmp_path)
    for _ in range(2):
        with server:
            running = server.processes()
        assert server.pid is None
        psutil.wait_procs(running, timeout=30)  # a grandchild ends a moment after its SIGKILL
        assert [] == still_running(running)


def test_the_error_of_a_server_that_ends_during_startup_has_the_reason(tmp_path: Path) -> None:
    server = Server(tmp_path, program="raise SystemExit('FATAL: no room')")

    with pytest.raises(LocalServerError, match=r"^Server ended during startup: FATAL: no room$"):
        server.start()

    server.stop()
