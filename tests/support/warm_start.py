"""Processes of the product that are forked from one that has imported them already.

`python -m witiop run NAME` takes about a second of processor time until its modules are imported, which was two fifths
of all that the flow tests took. A process from here is like one from the command line in all that matters to them: it
has its own memory, session and process group, and its environment and log are those it was given. That a process also
starts from nothing is tested by those that start `witiop dev`.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from signal import Signals
from subprocess import TimeoutExpired

from tests.support.waiting import wait_until

COLD = frozenset({"webhook", "console"})
"""Processes that must import prometheus_client themselves (`infra.process.metrics`)."""

_IMPORTED = (
    "boto3",
    "witiop.cli.main",
    "witiop.wiring.consumers",
    "witiop.wiring.processes",
    "witiop.wiring.workers",
    "consumers.handlers.commands",
    "consumers.handlers.conversations",
)


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context


class WarmProcess:
    """A started process, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, output: Path) -> None:
        """`arguments`: those of `witiop`. `output`: a file that receives stdout and stderr."""
        output.write_bytes(b"")
        self._process: ForkServerProcess = _context().Process(
            target=_run, args=(list(arguments), dict(env), str(cwd), str(output)), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        wait_until(lambda: self._leads_a_group() or self.poll() is not None, step=0.002)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise TimeoutExpired("witiop", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, Signals(number))

    def _leads_a_group(self) -> bool:
        try:
            return os.getpgid(self.pid) == self.pid
        except ProcessLookupError:
            return False


def _run(arguments: list[str], env: dict[str, str], cwd: str, output: str) -> None:
    """Becomes `witiop ARGUMENTS`."""
    os.setsid()
    os.umask(0o077)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["witiop", *arguments]

    from witiop.__main__ import main

    main()
