"""The health pages of a Flask application."""

from collections.abc import Callable, Sequence

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from infra.process.readiness import ALIVE, readiness

_View = Callable[[], ResponseReturnValue]


def health_pages(
    not_ready_reasons: Callable[[], Sequence[str]], decorate: Callable[[_View], _View] | None = None
) -> Blueprint:
    """Returns `GET /healthz`, which answers 200 while the application handles requests, and `GET /readyz`, which
    answers 200, or 503 with the reasons why the application cannot do its work. `decorate` is applied to both views."""
    health = Blueprint("health", __name__)

    def alive() -> ResponseReturnValue:
        return jsonify(ALIVE)

    def ready() -> ResponseReturnValue:
        document, status = readiness(not_ready_reasons())
        return jsonify(document), status

    for path, view in (("/healthz", alive), ("/readyz", ready)):
        health.add_url_rule(path, view_func=view if decorate is None else decorate(view))
    return health
