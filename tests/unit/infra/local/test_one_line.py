"""What is in the way is said in one line that names it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.directory_lock import locked
from infra.local.errors import LocalServerError
from infra.local.ports import LOOPBACK, free_port, require_free
from infra.local.server import telling_line


def test_a_taken_port_is_named_with_its_purpose_and_cure() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalServerError, match=rf"^port {port} \(Kafka\) is taken by another program: choose"):
            require_free(port, "Kafka", "choose another")


def test_a_free_port_is_nobodys() -> None:
    require_free(free_port(), "Kafka", "choose another")


def test_no_two_servers_of_ours_are_given_one_port() -> None:
    """Whom the first was given to may not listen yet."""
    ports = [free_port() for _ in range(500)]
    assert 500 == len(set(ports))


def test_a_second_stack_in_the_same_directory_is_refused_and_told_the_first_ones_process(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "data"),
        pytest.raises(LocalServerError, match=rf"in use by another witiop dev, process {os.getpid()}:"),
        locked(tmp_path / "data"),
    ):
        pass


def test_a_directory_whose_killed_stack_still_ends_is_waited_for(tmp_path: Path) -> None:
    # A process that is gone wrote its id; another one still has the lock open for a moment, as a watcher does.
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
        ("", "it wrote nothing"),
        ("one\ntwo\n", "two"),
        ("x\n2025 FATAL:  role missing\nbye\n", "2025 FATAL:  role missing"),
        ("a\nPANIC: could not write: No space left on device\nb", "the disk of /data is full: free some space"),
    ],
)
def test_of_a_servers_log_the_line_is_shown_that_says_why(output: str, line: str) -> None:
    assert telling_line(output, Path("/data")).startswith(line)
