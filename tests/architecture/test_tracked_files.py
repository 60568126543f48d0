"""The repository contains no machine paths, package indexes, secrets or unfinished work."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FORBIDDEN = {
    "a path of a developer's machine": r"(?<![\w.$}])/(home|Users|root)/\w",
    "the address of a package index": r"https?://[\w.-]*(p[y]pi|pythonho[s]ted|artifactory|nexus)[\w.-]*|--(extra-)?index-url",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a URL with a password": r"\w+://\w+:(?!password@)[^@\s/{}$]+@(?!127\.0\.0\.1|localhost)\w",
    "unfinished work": r"\b(TODO|FIXME|XXX)\b",
}


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_contains(what: str) -> None:
    """Such things belong to one machine or one person only."""
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for file in _tracked():
        if file == Path(__file__) or not file.is_file() or file.suffix == ".png":  # binary data can match by chance
            continue
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []
