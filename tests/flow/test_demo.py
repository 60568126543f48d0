"""The demo, as a newcomer sees it: the whole system starts and a story plays itself into the list."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.reasons import Reason
from tests.support.dev_stack import Dev, twenty_free_ports
from tests.support.waiting import wait_until


def asks(dev: Dev, *command: str) -> dict[str, Any]:
    """What a command says in JSON."""
    argv = [sys.executable, "-m", "witiop", *command, "--json", "--stack", str(dev.data)]
    said: dict[str, Any] = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return said


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    dev = Dev(tmp_path / "dev", twenty_free_ports())
    yield dev
    dev.stop()


def test_the_demo_lists_every_reason_in_both_colours_and_shows_whole_conversations(dev: Dev) -> None:
    dev.ready()
    wait_until((dev.data / "demo-played").exists, 60)
    listed: dict[str, Any] = {}

    def all_is_listed() -> bool:
        listed.update(asks(dev, "unmanaged", "list", "--rows", "100"))
        reasons = {row["reason"] for row in listed["rows"]}
        return reasons == {*Reason} - {Reason.RESERVATION_EXPIRED} and listed["counts"] == {"active": 11, "closed": 10}

    wait_until(all_is_listed, 20, step=0.2)
    (long_talk,) = (row for row in listed["rows"] if row["customer"]["name"] == "Luca Marchetti")
    shown = asks(dev, "conversations", "show", long_talk["id"])
    assert (shown["status"], shown["reason"], shown["managed"]) == ("closed", "bot_closed", False)
    assert len(shown["transcript"]) == shown["entries"] == 19
