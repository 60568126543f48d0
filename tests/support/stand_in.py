"""Small programs that replace the product's processes in tests of `witiop dev`: see `tests/flow/test_dev_*.py`.

`python -m tests.support.stand_in dev` runs `witiop dev` with them and takes its options; `... process` runs one of
them. The process that the variable DEAF names ignores SIGTERM.
"""

import argparse
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from witiop.dev.processes import DevProgram
from witiop.dev.run import System, run_dev

SYSTEM = System(
    migrate=DevProgram("migrate", (sys.executable, "-c", "print('migrated')")),
    topics=DevProgram("topics", (sys.executable, "-c", "print('topics exist')")),
    processes=tuple(
        DevProgram(name, (sys.executable, "-m", "tests.support.stand_in", "process"), monitor)
        for name, monitor in (("webhook", 10), ("relay", 13))
    ),
    simulator=DevProgram("simulator", (sys.executable, "-c", "import sys; print('played with', *sys.argv[1:])")),
    shop=DevProgram("shop", (sys.executable, "-c", "import sys, time; print('open', flush=True); time.sleep(3600)")),
)


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Does nothing: requests are not logged."""


def _process() -> None:
    deaf = os.environ["WITIOP_CONSUMER_INSTANCE"] == f"dev-{os.environ.get('DEAF')}"
    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda number, frame: sys.exit(0))
    port = int(os.environ["WITIOP_MONITOR_PORT"])
    event = {"event": "stand_in.started", "level": "info", "timestamp": "2025-01-02T03:04:05Z", "port": port}
    print(json.dumps(event), flush=True)
    ThreadingHTTPServer(("127.0.0.1", port), _Ready).serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "process":
        _process()
    else:
        options = argparse.ArgumentParser()
        options.add_argument("--data", type=Path, required=True)
        options.add_argument("--port-base", type=int, required=True)
        options.add_argument("--demo", action="store_true")
        chosen = options.parse_args(sys.argv[2:])
        sys.exit(run_dev(chosen.data, chosen.port_base, chosen.demo, sys.stdout, system=SYSTEM))
