"""The installed package works like the source tree: it has every file that the code reads."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from tests.support.paths import ROOT

PACKAGES = ("webhook", "consumers", "console", "domain", "infra", "witiop")


def test_the_wheel_has_every_file_of_our_packages(tmp_path: Path) -> None:
    """Migrations and templates are data: without them the wheel would install, but fail when it starts."""
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

    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert packed == ours
