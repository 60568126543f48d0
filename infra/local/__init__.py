"""Real servers for development and tests on one machine, from packages alone: no Docker, nothing installed."""

import sys
from pathlib import Path

CACHE_DIR = Path(__file__).resolve().parents[2] / ".witiop" / "cache"
"""Where downloaded files are kept: in the project, once for all stacks and tests."""


def say(line: str) -> None:
    """Tell the person at the keyboard what is going on."""
    print(line, file=sys.stderr)  # noqa: T201
