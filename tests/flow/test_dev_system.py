"""`witiop dev` with our own processes and the demo: what it costs, that its mails can be read, and that all of it
ends."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.console import field
from tests.support.dev_stack import Dev, twenty_free_ports
from tests.support.process_tree import pss_bytes, still_running, tree
from tests.support.waiting import wait_until

GIB = 1024**3


def says(dev: Dev, *command: str, code: int = 0) -> Any:
    """A command of the README's tour, its answer as JSON."""
    argv = [sys.executable, "-m", "witiop", *command, "--json", "--stack", str(dev.data)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert code == done.returncode, done.stdout + done.stderr
    return json.loads(done.stdout)


def forwards_a_conversation(dev: Dev, mails_address: str) -> None:
    """As the README's tour does: the result comes back, and the mail stands at the address that was printed."""
    (row, *_) = says(dev, "unmanaged", "list", "--rows", "10")["rows"]
    fields = ("--to", "you@example.com", "--subject", "A customer waits", "--body", "Please call")
    told = says(dev, "email", row["id"], *fields)
    assert ("applied", None, row["id"]) == (told["outcome"], told["reason"], told["conversation_id"])
    wait_until(lambda: "A customer waits</a> to you@example.com" in httpx.get(mails_address).text)
    letter = html.unescape(httpx.get(f"{mails_address}/1").text)
    assert [] == [words for words in ("Please call", row["last_text"], row["customer"]["name"]) if words not in letter]
    held = says(dev, "email", row["id"], *fields, "--hold", "60")["command_id"]
    assert "applied" == says(dev, "recall", "--mail", held)["outcome"]
    assert [("recalled", row["id"]), ("sent", row["id"])] == [
        (mail["state"], mail["conversation_id"]) for mail in says(dev, "mails", "list")["rows"]
    ]


@pytest.mark.timeout(240)
def test_the_whole_system_needs_less_than_one_and_a_half_gib_and_stops_without_a_rest(tmp_path: Path) -> None:
    dev = Dev(tmp_path / "dev", twenty_free_ports())
    try:
        mails = re.search(r" mails=(\S+)", dev.ready())
        assert mails is not None
        processes = {"webhook", "conversations", "commands", "routing", "mails", "timer", "relay", "admin"}
        assert {"kafka", "postgres", "ses", *processes} <= dev.stack().pids.keys()
        stack = dev.stack()
        with httpx.Client(base_url=str(stack.admin_url), follow_redirects=True) as console:
            page = console.get("/").text
            fields = {"name": stack.admin_user, "password": stack.admin_password, "csrf": field(page, "csrf")}
            assert "Unmanaged conversations" in console.post("/sign-in", data=fields).text
        assert str(stack.admin_password) in dev.said()
        wait_until((dev.data / "demo-played").exists, seconds=60)
        forwards_a_conversation(dev, mails[1])
        demo = [(found["where"], found["cure"]) for found in says(dev, "doctor", code=1)["findings"]]
        assert [("directory", "add it to the file and run witiop directory apply")] == demo, "its number without menu"
        everything = tree(dev.process.pid)
        if sys.platform == "linux":
            assert pss_bytes(dev.process.pid) < 1.5 * GIB
    finally:
        code = dev.stop()
    assert code == 0, dev.said()
    assert still_running(everything) == []
