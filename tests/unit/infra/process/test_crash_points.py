"""A crash point ends the process at once, at the configured pass of the configured point only."""

import subprocess
import sys

import pytest

PROGRAM = """
from infra.process.crash_points import arm_crash_point, crash_point
arm_crash_point({setting!r})
for n in range(1, 4):
    crash_point("webhook.after-verify")
    print(n, flush=True)
"""


def passes(setting: str | None) -> tuple[int, str]:
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(setting=setting)], capture_output=True, text=True, check=False
    )
    return finished.returncode, finished.stdout.replace("\n", " ").strip()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, (0, "1 2 3")),
        ("", (0, "1 2 3")),
        ("webhook.after-publish-before-answer", (0, "1 2 3")),
        ("webhook.after-verify", (137, "")),
        ("webhook.after-verify:3", (137, "1 2")),
        ("webhook.after-verify:4", (0, "1 2 3")),
    ],
)
def test_the_process_ends_at_the_nth_pass_of_its_point(setting: str | None, expected: tuple[int, str]) -> None:
    assert expected == passes(setting)
