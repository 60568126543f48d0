"""`witiop dev` with our own processes and the demo: what it costs, and that all of it ends."""

import sys
from pathlib import Path

import pytest

from tests.support.dev_stack import Dev, twenty_free_ports
from tests.support.process_tree import pss_bytes, still_running, tree
from tests.support.waiting import wait_until

GIB = 1024**3


@pytest.mark.timeout(240)
def test_the_whole_system_needs_less_than_one_and_a_half_gib_and_stops_without_a_rest(tmp_path: Path) -> None:
    dev = Dev(tmp_path / "dev", twenty_free_ports())
    try:
        dev.ready()
        processes = {"webhook", "conversations", "commands", "routing", "timer", "relay"}
        assert {"kafka", "postgres", *processes} <= dev.stack().pids.keys()
        wait_until((dev.data / "demo-played").exists, seconds=60)
        everything = tree(dev.process.pid)
        if sys.platform == "linux":
            assert pss_bytes(dev.process.pid) < 1.5 * GIB
    finally:
        code = dev.stop()
    assert code == 0, dev.said()
    assert still_running(everything) == []
