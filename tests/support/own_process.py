"""Runs Python in a process of its own, where what a test changes is that of the whole process."""

import os
import subprocess
import sys

from tests.support.paths import ROOT


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that may import the product, until it ends."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
