"""Updates docs/performance.md, which has one section per measurement."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.figures import Figure

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"

_HEAD = """\
# Performance

Written by `make bench`; `python -m benchmarks NAME` updates one section. The ratios matter most: each compares with a
ceiling that is measured in the same run, alternately, so that a faster or busier machine affects both. Times and rates
apply to the machine that is named. The docstring of each module in `benchmarks/` describes its method and the reasons.
"""


def update(name: str, figures: Sequence[Figure], today: date) -> None:
    """Replaces the section of this name, or adds it at the end."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else _HEAD
    head, *rest = re.split(r"^## ", page, flags=re.MULTILINE)
    sections = {section.split("\n", 1)[0]: f"## {section.rstrip()}\n" for section in rest}
    sections[name] = _section(name, figures, today)
    PAGE.write_text("\n".join([f"{head.rstrip()}\n", *sections.values()]), encoding="utf-8")


def _section(name: str, figures: Sequence[Figure], today: date) -> str:
    return "\n".join([f"## {name}", "", f"{today}, {_machine()}.", "", *_table(figures), ""])


def _table(figures: Sequence[Figure]) -> list[str]:
    outcome = {True: "met", False: "**missed**", None: ""}
    rows = [f"| {f.what} | {f.value} | {f.target} | {outcome[f.holds]} | {f.meaning} |" for f in figures]
    return ["| what | value | target | | what it means |", "|---|---|---|---|---|", *rows]


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, Python {platform.python_version()}"


def _processor() -> str:
    """Returns the name of the processor, as Linux reports it."""
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].strip() if found else platform.machine()
