"""The Graph stand-in in a process of its own, for `witiop dev` and tests."""

import json
import os
import sys
from dataclasses import asdict
from http.client import HTTPException
from pathlib import Path

from infra.local.graph.control import GraphControl
from infra.local.graph.server import GraphOptions
from infra.local.guard import Guard
from infra.local.ports import LOOPBACK, free_port
from infra.local.server import LocalServer

_ROOT = Path(__file__).resolve().parents[3]


class LocalGraph(LocalServer):
    """A stand-in that keeps everything in memory: after a restart, its ledger is empty and no fault is on but those of
    `options`."""

    def __init__(self, directory: Path, options: GraphOptions, port: int = 0, *, guard: Guard | None = None) -> None:
        """Port 0: any free port. `directory`: for the log and the options."""
        super().__init__("Graph", directory, guard)
        self._options = options
        self._port = port or free_port()

    @property
    def url(self) -> str:
        """The address for clients, without version."""
        return f"http://{LOOPBACK}:{self._port}"

    def launch(self) -> None:
        """See `LocalServer`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._directory / "options.json"
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            json.dump(asdict(self._options), output)
        self._spawn([sys.executable, "-m", "infra.local.graph.program", file, str(self._port)], _ROOT)

    def _answers(self) -> bool:
        try:
            GraphControl(self.url, timeout_seconds=1).faults()
        except (OSError, HTTPException):
            return False
        return True
