"""The demo, as a newcomer sees it: the whole system starts and a story plays itself into the list."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.reasons import Reason
from tests.support.dev_ports import twenty_free_ports
from tests.support.waiting import wait_until


class Demo:
    """A `witiop dev` with its demo, in a process of its own."""

    def __init__(self, data: Path) -> None:
        self._data = data
        with data.with_suffix(".err").open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "witiop", "dev", "--data", data, "--port-base", str(twenty_free_ports())],
                stdout=subprocess.PIPE,
                stderr=err,
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith(b"ready "), data.with_suffix(".err").read_text()

    def asks(self, *command: str) -> dict[str, Any]:
        """What a command says in JSON."""
        argv = [sys.executable, "-m", "witiop", *command, "--json", "--stack", str(self._data)]
        said: dict[str, Any] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
        return said

    def has_played(self) -> bool:
        return (self._data / "demo-played").exists()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "dev")
    yield demo
    demo.process.terminate()
    demo.process.communicate(timeout=60)


def test_the_demo_lists_every_reason_in_both_colours_and_shows_whole_conversations(demo: Demo) -> None:
    wait_until(demo.has_played, 60)
    listed: dict[str, Any] = {}

    def all_is_listed() -> bool:
        listed.update(demo.asks("unmanaged", "list", "--rows", "100"))
        reasons = {row["reason"] for row in listed["rows"]}
        return reasons == {*Reason} - {Reason.RESERVATION_EXPIRED} and listed["counts"] == {"active": 11, "closed": 10}

    wait_until(all_is_listed, 20, step=0.2)
    (long_talk,) = (row for row in listed["rows"] if row["customer"]["name"] == "Luca Marchetti")
    shown = demo.asks("conversations", "show", long_talk["id"])
    assert (shown["status"], shown["reason"], shown["managed"]) == ("closed", "bot_closed", False)
    assert len(shown["transcript"]) == shown["entries"] == 19
