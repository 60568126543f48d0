"""A `witiop dev` that tests start, query, kill parts of, and stop."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local.ports import free_port
from witiop.dev.run import PORTS
from witiop.dev.stack_file import Stack


def free_port_base() -> int:
    """Returns the first of enough consecutive free ports for a stack."""
    return free_port(PORTS)


class Dev:
    """A `witiop dev` in a process of its own; `command` may name another module with the same options."""

    def __init__(
        self,
        data: Path,
        port_base: int,
        *options: str,
        command: Sequence[str] = ("witiop", "dev"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment`: settings in addition to those of this process."""
        self.data = data
        self.port_base = port_base
        self._err = data.parent / f"{data.name}.err"
        with self._err.open("ab") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command, "--data", data, "--port-base", str(port_base), *options],
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
                env={**os.environ, **(environment or {})},
            )

    def ready(self) -> str:
        """Waits for the line that begins with "ready " and returns it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready "), self.log()
        return line

    def stack(self) -> Stack:
        stack = Stack.read(self.data)
        assert stack is not None
        return stack

    def pid(self, name: str) -> int | None:
        stack = Stack.read(self.data)
        return stack.pids.get(name, [None])[0] if stack is not None else None

    def kill(self, name: str) -> int:
        pid = self.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    def runs_again(self, name: str, killed: int) -> bool:
        return self.pid(name) not in {None, killed}

    def log(self) -> str:
        """Returns everything that the stack wrote to stderr."""
        return self._err.read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal, waits for the end and returns the exit code, negative for a signal."""
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode
