"""Real servers for development and tests on one machine, from packages alone: no Docker, nothing installed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CACHE_DIR = Path(__file__).resolve().parents[2] / ".witiop" / "cache"
"""Where downloaded files are kept: in the project, once for all stacks and tests."""


def say(line: str) -> None:
    """Tell the person at the keyboard what is going on; lines of several threads do not mix."""
    sys.stderr.write(f"{line}\n")


def install(cache_dir: Path = CACHE_DIR, echo: Callable[[str], None] = say) -> None:
    """Download what the servers need and see that their programs run here; the second time needs no network.

    Raises NotReachableError when a download fails, LocalServerError for anything else that is in the way.
    """
    from infra.local.errors import LocalServerError
    from infra.local.jars import kafka_jars
    from infra.local.kafka import java
    from infra.local.postgres import binary

    kafka_jars(cache_dir, echo)
    for program, option in ((java(), "-version"), (binary("postgres"), "--version")):
        try:
            subprocess.run([program, option], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise LocalServerError(
                f"{program.name} does not run on this machine ({error}): run make install again, and see whether "
                "this system is one of those in docs/decisions/0004"
            ) from error
