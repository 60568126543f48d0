"""Every process meets the customer whose identity and texts are looked for in logs and metrics (I11)."""

import re

from tests.support.paths import ROOT
from witiop.wiring.processes import PROCESSES


def test_every_process_meets_the_canary() -> None:
    """A new process is started, and has something to do about the customer, in one of these tests."""
    texts = [(ROOT / "tests" / "flow" / name).read_text() for name in ("test_canary.py", "test_canary_of_workers.py")]
    named = {name for text in texts for name in re.findall(r'"(\w+)"', text)}
    assert set() == set(PROCESSES) - named
