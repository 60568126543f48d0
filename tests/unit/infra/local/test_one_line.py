"""Errors of local servers are one line that names the problem."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.directory_lock import locked
from infra.local.errors import LocalServerError
from infra.local.ports import LOOPBACK, free_port, require_free
from infra.local.server import failure_line


def test_a_port_in_use_is_named_with_its_purpose_and_a_fix() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalServerError, match=rf"^port {port} \(Kafka\) is in use by another program: choose"):
            require_free(port, "Kafka", "choose another")


def test_a_free_port_is_accepted() -> None:
    require_free(free_port(), "Kafka", "choose another")


def test_no_port_is_returned_twice() -> None:
    """The first caller may not listen on its port yet."""
    ports = [free_port() for _ in range(500)]
    assert 500 == len(set(ports))


def test_a_second_stack_in_the_same_directory_is_rejected_with_the_owners_process_id(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "data"),
        pytest.raises(LocalServerError, match=rf"in use by another witiop dev, process {os.getpid()}:"),
        locked(tmp_path / "data"),
    ):
        pass


def test_a_new_stack_waits_for_the_servers_of_a_killed_one(tmp_path: Path) -> None:
    # The id in the file is that of an ended process; another process, like a watcher, holds the lock for a moment.
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, os, sys, time\n"
            "lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
            "fcntl.flock(lock, fcntl.LOCK_EX)\n"
            "gone = os.fork() or os._exit(0)\n"
            "os.waitpid(gone, 0)\n"
            "os.write(lock, str(gone).encode())\n"
            "print('locked', flush=True)\n"
            "time.sleep(0.5)",
            tmp_path / "lock",
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"locked\n"
    with locked(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())
    holder.communicate()


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", "no output"),
        ("one\ntwo\n", "two"),
        ("x\n2025 FATAL:  role missing\nbye\n", "2025 FATAL:  role missing"),
        ("a\nPANIC: could not write: No space left on device\nb", "the disk of /data is full: free some space"),
    ],
)
def test_the_line_that_explains_the_failure_is_selected(output: str, line: str) -> None:
    assert failure_line(output, Path("/data")).startswith(line)
