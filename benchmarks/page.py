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

`make bench` writes this page; `python -m benchmarks NAME` renews one section. The ratios are what counts: each is
measured against a baseline in the same run, taking turns, so that a faster or a busier machine changes both. Times
and rates apply to the machine named. How each figure is measured, and why, is described at the top of the module in
`benchmarks/`.
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
