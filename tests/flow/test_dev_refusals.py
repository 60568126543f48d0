"""When `witiop dev` cannot start, one line says why and what to do, and nothing is left behind."""

import io
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from infra.local.ports import LOOPBACK
from tests.support.dev_stack import free_port_base
from tests.support.stand_in import SYSTEM
from witiop.dev.processes import DevProgram
from witiop.dev.run import System, run_dev


def refusal(data: Path, port_base: int, system: System = SYSTEM) -> tuple[int, str]:
    """Returns the exit code of a failed start and its last line."""
    lines: list[str] = []
    out = io.StringIO()
    before = set(psutil.Process().children(recursive=True))
    code = run_dev(data, port_base, demo=False, out=out, system=system, echo=lines.append)
    assert (out.getvalue(), set(psutil.Process().children(recursive=True)) - before) == ("", set())
    assert [line for line in lines if line.startswith("witiop dev: ")] == lines[-1:]
    return code, lines[-1]


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    port_base = free_port_base()
    with socket.create_server((LOOPBACK, port_base + 10)):
        assert refusal(tmp_path, port_base) == (
            1,
            f"witiop dev: port {port_base + 10} (monitor of webhook) is in use by another program: "
            "stop it, or choose other ports with --port-base",
        )


def test_a_port_base_that_is_too_high_is_refused(tmp_path: Path) -> None:
    code, line = refusal(tmp_path, 65530)
    assert (code, line.partition(";")[0]) == (1, "witiop dev: --port-base 65530: choose a port between 1024 and 65506")


def test_a_data_directory_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, line = refusal(tmp_path / "file" / "dev", free_port_base())
    assert code == 1
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize(("migrate_ends_with", "code"), [(1, 1), (3, 3)])
def test_a_failed_migration_ends_the_start(tmp_path: Path, migrate_ends_with: int, code: int) -> None:
    migrate = DevProgram("migrate", (sys.executable, "-c", f"raise SystemExit({migrate_ends_with})"))
    assert refusal(tmp_path / "dev", free_port_base(), replace(SYSTEM, migrate=migrate)) == (
        code,
        f"witiop dev: migrate failed: exit code {migrate_ends_with}, see its log above",
    )


def test_a_process_that_keeps_dying_ends_the_start(tmp_path: Path) -> None:
    relay = DevProgram("relay", (sys.executable, "-c", "raise SystemExit(42)"), 13)
    assert refusal(tmp_path / "dev", free_port_base(), replace(SYSTEM, processes=[relay])) == (
        1,
        "witiop dev: relay does not start: exit code 42, see its log above",
    )


def test_signal_handlers_are_restored(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    refusal(tmp_path, 65530)
    assert signal.getsignal(signal.SIGINT) == before


def test_a_full_disk_is_reported_before_anything_is_written_to_it(tmp_path: Path) -> None:
    mounted = 'mount -t tmpfs -o size=64m none "$0" && exec "$@"'
    start = [sys.executable, "-m", "tests.support.stand_in", "dev"]
    start += ["--data", str(tmp_path), "--port-base", str(free_port_base())]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, str(tmp_path), *start], capture_output=True, text=True, check=False
    )
    if "witiop dev" not in done.stderr:
        pytest.skip("this user may not mount a small disk")
    assert done.returncode == 1
    assert re.fullmatch(
        rf"witiop dev: the disk of {tmp_path} has 6\d MiB left, but 512 are needed: free some space, or choose "
        r"another disk with --data\n",
        done.stderr,
    )
