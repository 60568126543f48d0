"""The program of `infra.local.graph.process`: serves the stand-in until SIGTERM. Its options are in a file that only
this user can read: arguments are visible to all users of a machine."""

import json
import sys
from functools import partial
from pathlib import Path

from infra.local.graph.server import LIMITS, GraphOptions, GraphStandIn
from infra.local.ports import LOOPBACK
from infra.serving.server import serve


def main(options_file: str, port: str) -> None:
    """Serves the stand-in with the options of this JSON file."""
    options = GraphOptions(**json.loads(Path(options_file).read_text(encoding="utf-8")))
    serve(partial(GraphStandIn, options), LIMITS, host=LOOPBACK, port=int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
