"""The installed package works like the tree: it holds every file that the code reads."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from tests.support.paths import ROOT

PACKAGES = ("webhook", "consumers", "console", "domain", "infra", "witiop")


def test_the_wheel_holds_every_file_of_our_packages(tmp_path: Path) -> None:
    """Migrations and lists of hashes are data: a wheel without them installs, and fails at the first start."""
    subprocess.run(
        [sys.executable, "-c", f"import hatchling.build; hatchling.build.build_wheel({str(tmp_path)!r})"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    ours = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert held == ours
