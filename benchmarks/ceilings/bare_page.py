"""An empty Flask page behind our server: the ceiling for `benchmarks.console`.

`python -m benchmarks.ceilings.bare_page PORT` serves it until SIGTERM.
"""

import sys

from flask import Flask, render_template_string

from infra.local.ports import LOOPBACK
from infra.serving.limits import RequestLimits
from infra.serving.server import serve
from infra.serving.worker import ServedApp

PATH = "/"
_EMPTY = "<!doctype html><html lang='en'><head><title>{{ title }}</title></head><body></body></html>"


def served() -> ServedApp:
    """The application of one worker: one view, one template."""
    app = Flask(__name__, static_folder=None)

    @app.get(PATH)
    def empty() -> str:
        return render_template_string(_EMPTY, title="Empty")

    return ServedApp(app, lambda _: None, lambda: None)


if __name__ == "__main__":
    serve(served, RequestLimits(body_bytes=1024, threads=32), host=LOOPBACK, port=int(sys.argv[1]))
