"""`witiop dev` with our own processes: what README promises a newcomer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.dev_stack import Dev, twenty_free_ports
from tests.support.process_tree import pss_bytes, still_running, tree
from tests.support.waiting import wait_until

GIB = 1024**3


def unmanaged(dev: Dev) -> list[dict[str, object]]:
    """The rows that `witiop unmanaged list` shows."""
    witiop = [sys.executable, "-m", "witiop"]
    options = ["--stack", str(dev.data), "--rows", "100", "--json"]
    done = subprocess.run([*witiop, "unmanaged", "list", *options], check=True, capture_output=True, text=True)
    rows: list[dict[str, object]] = json.loads(done.stdout)["rows"]
    return rows


@pytest.mark.timeout(240)
def test_the_first_start_fills_the_list_needs_little_memory_and_is_stopped_without_a_rest(tmp_path: Path) -> None:
    dev = Dev(tmp_path / "dev", twenty_free_ports())
    try:
        dev.ready()
        processes = {"webhook", "conversations", "commands", "routing", "timer", "relay"}
        assert {"kafka", "postgres", *processes} <= dev.stack().pids.keys()
        wait_until((dev.data / "demo-played").exists, seconds=60)
        wait_until(lambda: {row["status"] for row in unmanaged(dev)} == {"active", "closed"}, step=0.5)
        if sys.platform == "linux":
            assert pss_bytes(dev.process.pid) < 1.5 * GIB
        everything = tree(dev.process.pid)
    finally:
        code = dev.stop()
    assert code == 0, dev.said()
    assert still_running(everything) == []
