"""Child processes never outlive the process that started them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra.local.guard import Guard
from tests.support.waiting import wait_until

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
STUBBORN_CODE = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('deaf', flush=True)
time.sleep(600)
"""
POLITE_CODE = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda number, frame: sys.exit(7))
print('listening', flush=True)
time.sleep(600)
"""
CHILD_CODE = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(grandchild.pid, flush=True)
time.sleep(600)
"""
PARENT_CODE = """
import subprocess, sys, time
import psutil
from infra.local.guard import Guard
guard = Guard()
child = guard.spawn([sys.executable, "-c", sys.argv[1]], output=subprocess.PIPE)
if sys.argv[2] == "watcher replaced":
    (watcher,) = [each for each in psutil.Process().children() if "watch" in each.cmdline()]
    watcher.kill()
    watcher.wait()
    guard.ensure_watcher()
print(child.pid, child.stdout.readline().decode(), flush=True)
time.sleep(600)
"""


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("watcher", ["first watcher", "watcher replaced"])
def test_when_the_parent_is_killed_its_descendants_end(watcher: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT_CODE, CHILD_CODE, watcher], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    line = parent.stdout.readline()
    parent.kill()
    parent.communicate()
    pids = [int(word) for word in line.split()]
    assert len(pids) == 2
    wait_until(lambda: all(gone(pid) for pid in pids))


def test_a_process_is_stopped_with_its_own_stop_signal() -> None:
    with Guard() as guard:
        process = guard.spawn(
            [sys.executable, "-c", POLITE_CODE], stop_signals=(signal.SIGINT, signal.SIGKILL), output=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        guard.end(process, grace_seconds=10)
        process.stdout.close()
    assert process.returncode == 7


def test_a_process_that_ignores_the_stop_signal_is_killed_after_the_grace_time() -> None:
    with Guard() as guard:
        process = guard.spawn([sys.executable, "-c", STUBBORN_CODE], output=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"deaf\n"
        guard.end(process, grace_seconds=0.1)
        process.stdout.close()
    assert process.returncode == -signal.SIGKILL


def test_closing_the_guard_ends_all_remaining_processes() -> None:
    with Guard() as guard:
        process = guard.spawn(SLEEP)
    assert process.returncode == -signal.SIGTERM


def test_the_guard_holds_a_lock_until_all_processes_have_ended(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    with Guard(holds=[lock]) as guard:
        guard.spawn(SLEEP)
        watchers = [each for each in psutil.Process().children() if "watch" in each.cmdline()]
        held = {file.path for watcher in watchers for file in watcher.open_files()}
    os.close(lock)
    assert str(tmp_path / "lock") in held


def test_starting_a_program_that_does_not_exist_is_reported_in_its_output() -> None:
    with Guard() as guard:
        process = guard.spawn(["/nowhere/program"], output=subprocess.PIPE)
        output, _ = process.communicate()
        guard.reap(process)
    assert process.returncode == 1
    assert b"No such file or directory" in output


@pytest.mark.parametrize("times", [1, 2])
def test_reaping_twice_has_no_effect(times: int) -> None:
    with Guard() as guard:
        process = guard.spawn(SLEEP)
        for _ in range(times):
            guard.reap(process)
    assert process.returncode == -signal.SIGKILL
