"""Real Kafka, PostgreSQL and SES servers for development and tests, from Python packages and jars: no Docker, no system
packages. Also the simulator and a stand-in for Meta's Graph API. Production code does not use this package."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CACHE_DIR = Path(__file__).resolve().parents[2] / ".witiop" / "cache"
"""Where downloaded files are stored: inside the project, shared by all stacks and tests."""


def say(line: str) -> None:
    """Writes a line to stderr. Lines of several threads do not mix."""
    sys.stderr.write(f"{line}\n")


def install(cache_dir: Path = CACHE_DIR, echo: Callable[[str], None] = say) -> None:
    """Downloads the files that the servers need and checks that their programs run. Needs the network the first time
    only.

    Raises NotReachableError when a download fails, LocalServerError for any other problem.
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
                f"{program.name} does not run on this machine ({error}): run make install again, and check that this "
                "system is supported (docs/decisions/0004)"
            ) from error
