"""The audit of the dependencies: asks the OSV database for known weaknesses of the packages in requirements/run.txt.

Without network the audit is skipped, with a sentence that says so: a build must not fail because a service is away, and
nobody must take a skipped audit for a clean one. `python -m tests.dependencies.audit` runs it.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.support.paths import ROOT

LOCK = ROOT / "requirements" / "run.txt"
_SECONDS = 120


class Audited(NamedTuple):
    """What the audit program wrote, and its exit code."""

    code: int
    out: str
    err: str


def pip_audit() -> Audited:
    """Runs pip-audit on the lock file. Installs and resolves nothing."""
    options = ["--requirement", str(LOCK), "--require-hashes", "--disable-pip", "--vulnerability-service", "osv"]
    options += ["--format", "json", "--desc", "off", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Audited(1, "", f"no answer within {_SECONDS} s")
    return Audited(done.returncode, done.stdout, done.stderr)


def findings(document: dict[str, Any]) -> list[str]:
    """Returns a line for each known weakness."""
    return [
        f"{package['name']} {package['version']}: {weakness['id']}; "
        + (f"mended in {', '.join(weakness['fix_versions'])}" if weakness["fix_versions"] else "not mended yet")
        for package in document["dependencies"]
        for weakness in package.get("vulns", ())
    ]


def main(run: Callable[[], Audited] = pip_audit, say: Callable[[str], None] = print) -> int:
    """Runs the audit. Returns the exit code: 1 if there is a weakness, 0 also if nobody could be asked."""
    audited = run()
    try:
        document = json.loads(audited.out)
    except ValueError:
        say(f"dependency audit SKIPPED: the advisories could not be read ({_last_line(audited.err.splitlines())})")
        return 0
    found = findings(document)
    for line in found:
        say(line)
    if not found:
        say(f"dependency audit: no known weakness in {len(document['dependencies'])} packages")
    return 1 if found else 0


def _last_line(lines: Sequence[str]) -> str:
    return next((line.strip()[:80] for line in reversed(lines) if line.strip()), "no reason given")


if __name__ == "__main__":
    sys.exit(main())
