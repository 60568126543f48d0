"""Fuzzing: `python -m tests.fuzz`, or `make fuzz ARGS="..."`.

PART: `readers` (all of them), a reader's name, `pages` or `api`; without one, all. What is found is written to
`.witiop/fuzz/findings`. It becomes a case in `tests/fuzz/cases/NAME/`, which the tests try from then on, and is mended.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.targets import TARGETS
from tests.support.paths import ROOT

WORK = ROOT / ".witiop" / "fuzz"
FINDINGS = WORK / "findings"
_LONGEST, _MEMORY, _SLOWEST = 20_000, 2048, 20
"""Bytes of an input, MiB of a process, seconds that one input may take."""


def fuzz_reader(name: str, seconds: int, seed: int) -> list[str]:
    """Fuzzes a reader in a process of its own. Returns what was found."""
    corpus = WORK / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    FINDINGS.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number:04}").write_bytes(content)
    began = time.time()
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={FINDINGS}/{name}-"]
    options += [f"-max_len={_LONGEST}", f"-rss_limit_mb={_MEMORY}", f"-timeout={_SLOWEST}", "-print_final_stats=1"]
    log = WORK / f"{name}.log"
    with log.open("wb") as output:
        argv = [sys.executable, "-m", "tests.fuzz.readers", name, str(corpus), *options]
        done = subprocess.run(argv, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False)
    inputs = next((line.split()[-1] for line in _lines(log) if "number_of_executed_units" in line), "?")
    print(f"{name}: {inputs} inputs in {time.time() - began:.0f} s")
    if done.returncode == 0:
        return []
    files = [each for each in FINDINGS.glob(f"{name}-*") if each.stat().st_mtime >= began]
    why = next((line for line in reversed(_lines(log)) if "Error" in line or "Exception" in line), f"see {log}")
    return [f"{name}: {why.strip()[:200]}: {', '.join(map(str, files)) or log}"]


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()


def main() -> int:
    """Returns the exit code: 1 if something was found."""
    parser = argparse.ArgumentParser(
        prog="make fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="readers, pages, api, or the name of a reader")
    parser.add_argument("--seconds", type=int, default=60, help="for each part (default: 60); readers share them")
    parser.add_argument("--seed", type=int, help="the same inputs again (default: drawn)")
    given = parser.parse_args()
    known = {"readers", "pages", "api", *TARGETS}
    if unknown := set(given.parts) - known:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; one of {', '.join(sorted(known))}")
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**31)
    print(f"seed {seed}")
    chosen = set(given.parts) or {"readers", "pages", "api"}
    names = list(TARGETS) if "readers" in chosen else [name for name in TARGETS if name in chosen]
    found: list[str] = []
    if names and find_spec("atheris") is None:
        print("readers SKIPPED: there is no atheris for this Python and platform")
        names = []
    for name in names:
        found += fuzz_reader(name, max(2, given.seconds * (2 if "readers" in chosen else 1) // len(names)), seed)
    if "pages" in chosen:
        from tests.fuzz import pages

        found += pages.fuzz(given.seconds, seed)
    if "api" in chosen:
        from tests.fuzz import api

        found += api.fuzz(given.seconds, seed)
    for line in found:
        print(f"FOUND {line}")
    print(f"{len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
